//! What is measured of a system's results, case by case and on average.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::cases::{FEW, MANY};
use crate::stats::bootstrap::{Estimate, estimate, paired};
use crate::stats::rank::Standing;

/// What a system makes of one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CaseResult {
    /// The true reply among 20, where the pool is that large.
    pub few: Option<Standing>,
    /// The true reply among 100, where the pool is that large.
    pub many: Option<Standing>,
    /// The true reply among the whole pool.
    pub all: Standing,
    /// Place in the pool of the system's answer; of several best replies one drawn at random.
    pub answer: usize,
}

/// A measure of an [`CaseResult`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metric {
    /// Its name in JSON.
    pub key: &'static str,
    /// Its name among the candidates that it looks at.
    pub name: &'static str,
    /// How many candidates there are; `None` is the whole pool.
    pub among: Option<usize>,
    value: fn(&CaseResult) -> Option<f64>,
}

/// Everything that is measured.
pub(crate) const METRICS: [Metric; 9] = [
    metric("r1_of_20", "R@1", Some(FEW), |o| {
        o.few.map(|few| few.recall(1))
    }),
    metric("mrr_of_20", "MRR", Some(FEW), |o| {
        o.few.map(|few| few.reciprocal_rank())
    }),
    metric("r1_of_100", "R@1", Some(MANY), |o| {
        o.many.map(|many| many.recall(1))
    }),
    metric("r1", "R@1", None, |o| Some(o.all.recall(1))),
    metric("r5", "R@5", None, |o| Some(o.all.recall(5))),
    metric("r10", "R@10", None, |o| Some(o.all.recall(10))),
    metric("r50", "R@50", None, |o| Some(o.all.recall(50))),
    metric("mrr", "MRR", None, |o| Some(o.all.reciprocal_rank())),
    metric("ndcg10", "nDCG@10", None, |o| Some(o.all.ndcg(10))),
];

const fn metric(
    key: &'static str,
    name: &'static str,
    among: Option<usize>,
    value: fn(&CaseResult) -> Option<f64>,
) -> Metric {
    Metric {
        key,
        name,
        among,
        value,
    }
}

/// One estimate for each of [`METRICS`]; `None` where the pool is too small for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures([Option<Estimate>; METRICS.len()]);

impl Figures {
    /// The means of `outcomes`.
    pub(crate) fn of(outcomes: &[CaseResult], seed: u64) -> Self {
        Self(METRICS.map(|metric| Some(estimate(&metric.values(outcomes)?, seed))))
    }

    /// The means of `after - before`, case by case.
    pub(crate) fn gain(before: &[CaseResult], after: &[CaseResult], seed: u64) -> Self {
        Self(METRICS.map(|metric| {
            let (before, after) = (metric.values(before)?, metric.values(after)?);
            Some(paired(&before, &after, seed))
        }))
    }

    /// In the order of [`METRICS`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static Metric, Option<Estimate>)> {
        METRICS.iter().zip(self.0)
    }

    /// The estimate with a key of [`METRICS`].
    pub(crate) fn get(&self, key: &str) -> Option<Estimate> {
        self.iter().find(|(metric, _)| metric.key == key)?.1
    }
}

impl Metric {
    fn values(&self, outcomes: &[CaseResult]) -> Option<Vec<f64>> {
        outcomes.iter().map(self.value).collect()
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(METRICS.len()))?;
        for (metric, estimate) in self.iter() {
            map.serialize_entry(metric.key, &estimate)?;
        }
        map.end()
    }
}
