//! How far a mean over the queries can be trusted: the percentile bootstrap (Efron, 1979).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Samples drawn, each as large as the set of queries.
pub(crate) const RESAMPLES: usize = 1000;

/// A mean with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean over all queries.
    pub mean: f64,
    /// 2.5% of the resampled means are lower.
    pub low: f64,
    /// 2.5% of the resampled means are higher.
    pub high: f64,
}

impl Estimate {
    /// Whether all of the interval is on one side of zero.
    pub(crate) fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }

    /// Half of the interval's width.
    pub(crate) fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

/// The mean of `values`, one a query; all zero where there is none. The seed decides the resamples.
pub(crate) fn estimate(values: &[f64], seed: u64) -> Estimate {
    let n = values.len();
    if n == 0 {
        return Estimate {
            mean: 0.0,
            low: 0.0,
            high: 0.0,
        };
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..n).map(|_| values[rng.random_range(0..n)]);
            drawn.sum::<f64>() / n as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let tail = RESAMPLES / 40;
    Estimate {
        mean: values.iter().sum::<f64>() / n as f64,
        low: means[tail],
        high: means[RESAMPLES - 1 - tail],
    }
}

/// The mean of `after - before`, query by query: systems are compared on the same queries, so what
/// makes a query hard for both does not widen the interval.
pub(crate) fn paired(before: &[f64], after: &[f64], seed: u64) -> Estimate {
    let gains: Vec<f64> = before.iter().zip(after).map(|(b, a)| a - b).collect();
    estimate(&gains, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `share` of 400 queries are hits.
    fn hits(share: usize) -> Vec<f64> {
        (0..400)
            .map(|i| f64::from(u8::from(i * 100 < share * 400)))
            .collect()
    }

    #[test]
    fn the_interval_is_that_of_a_proportion() {
        let found = estimate(&hits(30), 1);
        assert!((found.mean - 0.3).abs() < 1e-9);
        // 1.96 · √(0.3 · 0.7 / 400)
        assert!((found.half_width() - 0.0449).abs() < 0.005, "{found:?}");
        assert!(found.low < 0.3 && 0.3 < found.high);
        assert_eq!(found, estimate(&hits(30), 1));
        assert_ne!(found, estimate(&hits(30), 2));
    }

    #[test]
    fn the_interval_holds_the_truth_about_19_times_in_20() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let holds = (0..200)
            .filter(|&seed| {
                let values: Vec<f64> = (0..150).map(|_| rng.random::<f64>().powi(2)).collect();
                let found = estimate(&values, seed);
                found.low <= 1.0 / 3.0 && 1.0 / 3.0 <= found.high
            })
            .count();
        assert!((180..=198).contains(&holds), "{holds}");
    }

    #[test]
    fn a_pair_is_told_apart_where_two_intervals_overlap() {
        let before = hits(30);
        // Each twentieth miss became a hit.
        let after: Vec<f64> = before
            .iter()
            .enumerate()
            .map(|(i, &hit)| if i % 20 == 0 { 1.0 } else { hit })
            .collect();
        let gain = paired(&before, &after, 1);
        assert!(gain.excludes_zero() && gain.mean > 0.03, "{gain:?}");
        assert!(estimate(&before, 1).high > estimate(&after, 1).low);
        assert!(!paired(&before, &before, 1).excludes_zero());
        assert!(paired(&after, &before, 1).excludes_zero());
    }

    #[test]
    fn nothing_and_one_are_no_obstacle() {
        assert_eq!(estimate(&[], 0).mean, 0.0);
        let one = estimate(&[0.4], 0);
        assert_eq!((one.low, one.high), (one.mean, one.mean));
    }
}
