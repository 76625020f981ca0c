//! How much the cross-encoder is worth beside the bi-encoder: fitted on validation.

use super::cases::Cases;
use super::rankers::Ranker;
use crate::chat::persona::{Fusion, Rerank};
use crate::error::Result;
use crate::stats::bootstrap::{Estimate, estimate, paired};
use crate::stats::rank::Standing;

/// Weights of the cross-encoder's logit that are tried, beside 0: powers of two.
const EXPONENTS: std::ops::RangeInclusive<i32> = -5..=4;
/// Parts that the queries are divided into: a weight is judged on queries that did not choose it.
const FOLDS: usize = 5;

/// One query's candidates as both stages score them.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The bi-encoder's cosines.
    pub bi: Vec<f32>,
    /// The cross-encoder's logits.
    pub cross: Vec<f32>,
    /// Which of them is right, if the bi-encoder found it.
    pub right: Option<usize>,
}

impl Scored {
    fn reciprocal_rank(&self, fusion: Fusion) -> f64 {
        let fused: Vec<f32> = self
            .bi
            .iter()
            .zip(&self.cross)
            .map(|(&bi, &cross)| fusion.score(bi, cross))
            .collect();
        let standing = Standing::of(&fused, |place| Some(place) == self.right);
        standing.map_or(0.0, |standing| standing.reciprocal_rank())
    }
}

/// What validation says about the cross-encoder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// The weights with the best MRR; `cross` is 0 where none is better than the bi-encoder alone.
    pub fusion: Fusion,
    /// MRR of the bi-encoder alone, over the candidates that it found.
    pub before: Estimate,
    /// MRR with the cross-encoder; each query by weights that were chosen on others.
    pub after: Estimate,
    /// The gain, query by query.
    pub gain: Estimate,
}

impl Fit {
    /// Whether reranking is better by more than its interval: else it is not to be used by default.
    pub fn helps(&self) -> bool {
        self.fusion.cross > 0.0 && self.gain.low > 0.0
    }
}

/// The weight `w` of `bi / temperature + w · cross` with the best MRR over `queries`, out of 0 and
/// a few powers of two, the smallest of equals. The gain is that of cross-fitting: the best of many
/// weights looks good on the very queries that chose it, however little it is worth.
pub fn fit(queries: &[Scored], temperature: f32, seed: u64) -> Fit {
    let fusions: Vec<Fusion> = std::iter::once(0.0)
        .chain(EXPONENTS.map(|exponent| 2f32.powi(exponent)))
        .map(|cross| Fusion {
            bi: 1.0 / temperature,
            cross,
        })
        .collect();
    let worth: Vec<Vec<f64>> = fusions
        .iter()
        .map(|&fusion| {
            queries
                .iter()
                .map(|query| query.reciprocal_rank(fusion))
                .collect()
        })
        .collect();
    let best = |counts: &dyn Fn(usize) -> bool| -> usize {
        let total = |values: &[f64]| -> f64 {
            let counted = values
                .iter()
                .enumerate()
                .filter(|(query, _)| counts(*query));
            counted.map(|(_, value)| value).sum()
        };
        let mut best = (0, total(&worth[0]));
        for (place, values) in worth.iter().enumerate().skip(1) {
            let sum = total(values);
            if sum > best.1 {
                best = (place, sum);
            }
        }
        best.0
    };
    // Neighbouring exchanges share their context, so that a fold is a stretch of them.
    let fold = |query: usize| query * FOLDS / queries.len().max(1);
    let chosen: Vec<usize> = (0..FOLDS)
        .map(|held_out| best(&|query| fold(query) != held_out))
        .collect();
    let after: Vec<f64> = (0..queries.len())
        .map(|query| worth[chosen[fold(query)]][query])
        .collect();
    Fit {
        fusion: fusions[best(&|_| true)],
        before: estimate(&worth[0], seed),
        after: estimate(&after, seed),
        gain: paired(&worth[0], &after, seed),
    }
}

/// What [`fit`] needs of every case: its `count` best candidates by `first`, scored by `second` as
/// well. `progress` is told how many cases are done, and may end it.
///
/// # Errors
/// A model fails, or `progress` says so.
pub fn candidates(
    cases: &Cases,
    first: &dyn Ranker,
    second: &dyn Rerank,
    count: usize,
    mut progress: impl FnMut(usize) -> Result<()>,
) -> Result<Vec<Scored>> {
    let all: Vec<usize> = (0..cases.pool.len()).collect();
    let mut scored = Vec::with_capacity(cases.cases.len());
    for case in &cases.cases {
        let scores = first.scores(case, &all)?;
        let mut order = all.clone();
        order.retain(|place| !case.said.contains(place));
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        order.truncate(count);
        let replies: Vec<&str> = order
            .iter()
            .map(|&place| cases.pool[place].as_str())
            .collect();
        scored.push(Scored {
            cross: second.rerank(case.query(), &replies)?,
            bi: order.iter().map(|&place| scores[place]).collect(),
            right: order.iter().position(|&place| place == case.truth),
        });
        progress(scored.len())?;
    }
    Ok(scored)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::cases::tests::exchanges;
    use super::super::rankers::Chance;
    use super::*;
    use crate::dialogue::Query;

    /// Queries with 20 candidates; each stage sees the right one through noise, as far as it is
    /// `sharp`.
    fn queries(bi_sharp: f32, cross_sharp: f32) -> Vec<Scored> {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        (0..300)
            .map(|_| {
                let right = rng.random_range(0..20);
                let mut noisy = |sharp: f32, scale: f32| -> Vec<f32> {
                    (0..20)
                        .map(|place| {
                            let noise: f32 = (0..4).map(|_| rng.random::<f32>() - 0.5).sum();
                            scale * (noise + if place == right { sharp } else { 0.0 })
                        })
                        .collect()
                };
                Scored {
                    bi: noisy(bi_sharp, 0.05),
                    cross: noisy(cross_sharp, 1.0),
                    right: Some(right),
                }
            })
            .collect()
    }

    #[test]
    fn a_good_cross_encoder_is_used_and_the_gain_is_certain() {
        let fit = fit(&queries(0.5, 0.7), 0.05, 1);
        assert!(fit.helps(), "{fit:?}");
        assert!(fit.fusion.bi == 20.0 && fit.fusion.cross >= 0.5, "{fit:?}");
        assert!(fit.after.mean > fit.before.mean + 0.05, "{fit:?}");
    }

    #[test]
    fn noise_is_not_used() {
        let fit = fit(&queries(0.8, 0.0), 0.05, 1);
        assert!(!fit.helps(), "{fit:?}");
        assert!(fit.fusion.cross <= 0.125, "{fit:?}");
    }

    #[test]
    fn one_that_says_the_opposite_gets_no_weight() {
        let fit = fit(&queries(0.5, -0.7), 0.05, 1);
        assert_eq!(fit.fusion.cross, 0.0);
        assert_eq!(fit.gain.mean, 0.0);
        assert!(!fit.helps());
    }

    #[test]
    fn the_better_half_of_noise_is_no_gain() {
        // On queries that chose it, one of ten weights nearly always looks better than 0.
        let helped = (0..40)
            .filter(|&seed| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let query = |_| Scored {
                    bi: (0..10).map(|_| rng.random::<f32>() * 0.2).collect(),
                    cross: (0..10).map(|_| rng.random::<f32>() * 4.0).collect(),
                    right: Some(0),
                };
                let queries: Vec<Scored> = (0..150).map(query).collect();
                fit(&queries, 0.05, seed).helps()
            })
            .count();
        assert!(helped <= 4, "{helped} of 40");
    }

    #[test]
    fn a_reply_that_was_not_found_is_worth_nothing_and_no_query_is_no_obstacle() {
        let mut all = queries(0.5, 0.7);
        let before = fit(&all, 0.05, 1).before.mean;
        all.iter_mut()
            .skip(150)
            .for_each(|query| query.right = None);
        assert!(fit(&all, 0.05, 1).before.mean < 0.6 * before);
        let nothing = fit(&[], 0.05, 1);
        assert_eq!(nothing.fusion.cross, 0.0);
        assert!(!nothing.helps());
    }

    struct Length;

    impl Rerank for Length {
        fn rerank(&self, _: Query<'_>, replies: &[&str]) -> Result<Vec<f32>> {
            Ok(replies.iter().map(|reply| reply.len() as f32).collect())
        }
    }

    #[test]
    fn candidates_carry_both_scores_and_the_right_place() {
        let cases = Cases::new(&exchanges(&["a", "bb", "a", "dddd"]), 10, 1);
        let mut done = 0;
        let scored = candidates(&cases, &Chance, &Length, 2, |n| {
            done = n;
            Ok(())
        })
        .unwrap();
        assert_eq!(done, 4);
        assert_eq!(scored[0].cross, [1.0, 2.0]);
        assert_eq!(scored[0].bi, [0.0, 0.0]);
        let right: Vec<_> = scored.iter().map(|one| one.right).collect();
        assert_eq!(right, [Some(0), Some(1), Some(0), None]);
    }
}
