//! Whether one way of deciding is better than another: judged on validation.

use std::sync::Arc;

use super::cases::Cases;
use super::rankers::Ranker;
use crate::error::Result;
use crate::stats::bootstrap::{Estimate, estimate, paired};
use crate::stats::rank::Standing;

/// What validation says of two systems.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contest {
    /// MRR of the first.
    pub before: Estimate,
    /// MRR of the second.
    pub after: Estimate,
    /// The gain, query by query.
    pub gain: Estimate,
}

impl Contest {
    /// Whether the second is better by more than its interval.
    pub fn helps(&self) -> bool {
        self.gain.low > 0.0
    }
}

/// Lets both systems rank the whole pool for every case. `progress` is told how many cases are done, and may
/// end it.
///
/// # Errors
/// A system fails, or `progress` says so.
pub(crate) fn contest(
    cases: &Arc<Cases>,
    before: &dyn Ranker,
    after: &dyn Ranker,
    seed: u64,
    mut progress: impl FnMut(usize) -> Result<()>,
) -> Result<Contest> {
    let all: Vec<usize> = (0..cases.pool.len()).collect();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for (done, case) in cases.cases.iter().enumerate() {
        for (system, worth) in [(before, &mut first), (after, &mut second)] {
            let scores = system.scores(case, &all)?;
            let standing = Standing::of(&scores, |place| place == case.truth);
            worth.push(standing.map_or(0.0, |standing| standing.reciprocal_rank()));
        }
        progress(done + 1)?;
    }
    Ok(Contest {
        before: estimate(&first, seed),
        after: estimate(&second, seed),
        gain: paired(&first, &second, seed),
    })
}

#[cfg(test)]
mod tests {
    use super::super::cases::Case;
    use super::super::cases::tests::exchanges;
    use super::super::rankers::Chance;
    use super::*;

    /// Knows the truth of all but every `misses`th case.
    struct Knows {
        misses: usize,
    }

    impl Ranker for Knows {
        fn scores(&self, case: &Case, candidates: &[usize]) -> Result<Vec<f32>> {
            let missed = (case.number + 1).is_multiple_of(self.misses);
            let score = |&place: &usize| f32::from(u8::from((place == case.truth) != missed));
            Ok(candidates.iter().map(score).collect())
        }
    }

    fn cases() -> Arc<Cases> {
        let replies: Vec<String> = (0..40).map(|i| format!("reply {i}")).collect();
        Arc::new(Cases::new(&exchanges(&replies), 100, 1))
    }

    #[test]
    fn who_knows_more_helps_and_nobody_helps_beside_himself() {
        let (cases, mut done) = (cases(), 0);
        let knows = Knows { misses: 10 };
        let found = contest(&cases, &Chance, &knows, 1, |n| {
            done = n;
            Ok(())
        })
        .unwrap();
        assert_eq!(done, 40);
        assert!(found.helps() && found.after.mean > 0.85, "{found:?}");
        assert!((found.after.mean - found.before.mean - found.gain.mean).abs() < 1e-9);
        let same = contest(&cases, &knows, &knows, 1, |_| Ok(())).unwrap();
        assert!(!same.helps() && same.gain.mean == 0.0);
        let worse = contest(&cases, &knows, &Chance, 1, |_| Ok(())).unwrap();
        assert!(!worse.helps() && worse.gain.high < 0.0);
    }

    #[test]
    fn no_case_is_no_help() {
        let none = Arc::new(Cases::new(&[], 100, 1));
        assert!(
            !contest(&none, &Chance, &Chance, 1, |_| Ok(()))
                .unwrap()
                .helps()
        );
    }
}
