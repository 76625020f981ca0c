//! Where the right reply stands among the candidates, and what that is worth.
//!
//! Ties never help: candidates of one score stand in an order drawn at random, and every measure is
//! its expectation over that draw. A ranker that scores everything alike is exactly at chance.

/// The measures from one query's scores alone.
///
/// A score that is not a number counts as the lowest of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Wrong candidates that score higher than the best right one.
    pub ahead: usize,
    /// Wrong candidates with the very score of the best right one.
    pub tied: usize,
    /// Right candidates with that score: any copy of the true reply is right.
    pub copies: usize,
}

impl Standing {
    /// The standing of the best of the candidates that are `right`; `None` where none is.
    pub(crate) fn of(scores: &[f32], right: impl Fn(usize) -> bool) -> Option<Self> {
        let number = |score: f32| {
            if score.is_nan() {
                f32::NEG_INFINITY
            } else {
                score
            }
        };
        let best = (0..scores.len())
            .filter(|&place| right(place))
            .map(|place| number(scores[place]))
            .reduce(f32::max)?;
        let mut standing = Self {
            ahead: 0,
            tied: 0,
            copies: 0,
        };
        for (place, &score) in scores.iter().enumerate() {
            let score = number(score);
            match right(place) {
                true if score == best => standing.copies += 1,
                false if score == best => standing.tied += 1,
                false if score > best => standing.ahead += 1,
                _ => {}
            }
        }
        Some(standing)
    }

    /// The expected rank, from 1: tied wrong candidates are ahead on average.
    pub(crate) fn rank(&self) -> f64 {
        1.0 + self.ahead as f64 + self.tied as f64 / (self.copies as f64 + 1.0)
    }

    /// R@k: the probability that the rank is at most `k`.
    pub(crate) fn recall(&self, k: usize) -> f64 {
        self.expect(k, |_| 1.0)
    }

    /// The expected 1 / rank; its mean over the queries is the MRR.
    pub(crate) fn reciprocal_rank(&self) -> f64 {
        self.expect(usize::MAX, |rank| 1.0 / rank)
    }

    /// The expected nDCG@k, which for one right answer is 1 / log₂(1 + rank) if the rank is at
    /// most `k`, else 0 (Järvelin and Kekäläinen, 2002).
    pub(crate) fn ndcg(&self, k: usize) -> f64 {
        self.expect(k, |rank| 1.0 / (1.0 + rank).log2())
    }

    /// The expectation of `worth` of the rank, 0 for ranks past `last`.
    fn expect(&self, last: usize, worth: impl Fn(f64) -> f64) -> f64 {
        let mut sum = 0.0;
        // That the first `before` of the tied are all wrong.
        let mut probability = 1.0;
        for before in 0..=self.tied {
            let rank = self.ahead + before + 1;
            if rank > last {
                break;
            }
            let left = (self.tied + self.copies - before) as f64;
            sum += probability * self.copies as f64 / left * worth(rank as f64);
            probability *= (self.tied - before) as f64 / left;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::seq::SliceRandom;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn first(scores: &[f32]) -> Standing {
        Standing::of(scores, |place| place == 0).unwrap()
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn without_ties_it_is_the_textbook() {
        let standing = first(&[0.5, 0.9, 0.1, 0.7]);
        assert_eq!(standing.rank(), 3.0);
        assert_eq!(standing.recall(2), 0.0);
        assert!(close(standing.recall(3), 1.0));
        assert!(close(standing.reciprocal_rank(), 1.0 / 3.0));
        assert!(close(standing.ndcg(10), 0.5));
        assert_eq!(standing.ndcg(2), 0.0);
    }

    #[test]
    fn a_ranker_that_scores_everything_alike_is_at_chance_wherever_the_truth_stands() {
        for truth in 0..20 {
            let standing = Standing::of(&[0.0; 20], |place| place == truth).unwrap();
            assert!(close(standing.recall(1), 0.05));
            assert!(close(standing.recall(10), 0.5));
            assert_eq!(standing.rank(), 10.5);
            let harmonic: f64 = (1..=20).map(|rank| 1.0 / f64::from(rank)).sum();
            assert!(close(standing.reciprocal_rank(), harmonic / 20.0));
        }
    }

    #[test]
    fn many_zero_scores_do_not_help() {
        // The one word that is shared is shared with a wrong reply; the truth is one of 9 zeros.
        let mut scores = [0.0; 10];
        scores[4] = 1.0;
        let standing = first(&scores);
        assert_eq!(standing.recall(1), 0.0);
        assert!(close(standing.recall(2), 1.0 / 9.0));
        assert_eq!(standing.rank(), 6.0);
    }

    #[test]
    fn any_copy_is_right_and_copies_are_not_each_others_rivals() {
        let right = |place| place == 1 || place == 3;
        let standing = Standing::of(&[0.4, 0.1, 0.3, 0.9], right).unwrap();
        assert_eq!(standing.rank(), 1.0);
        assert!(close(standing.recall(1), 1.0));
        // Two copies among five of one score: the better of the two counts.
        let standing = Standing::of(&[0.5; 5], right).unwrap();
        assert!(close(standing.recall(1), 0.4));
        assert_eq!(standing.rank(), 2.0);
        assert_eq!(Standing::of(&[0.5; 5], |_| false), None);
        assert_eq!(Standing::of(&[], |_| true), None);
    }

    #[test]
    fn a_model_that_has_diverged_is_at_chance_at_best() {
        assert_eq!(first(&[f32::NAN, 0.1, f32::NAN]).rank(), 2.5);
        assert_eq!(first(&[0.1, f32::NAN, f32::NAN]).rank(), 1.0);
        assert!(close(first(&[f32::NAN; 4]).recall(1), 0.25));
    }

    proptest! {
        /// What the measures expect is what drawing the order of ties gives on average.
        #[test]
        fn expectations_are_those_of_drawing(
            scores in prop::collection::vec(0u8..3, 2..8),
            copies in 1usize..3,
        ) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let right = |place: usize| place < copies;
            let standing = Standing::of(&scores, right).unwrap();
            let mut rng = ChaCha8Rng::seed_from_u64(5);
            let draws = 4000;
            let (mut rank, mut reciprocal, mut recall) = (0.0, 0.0, 0.0);
            for _ in 0..draws {
                let mut order: Vec<usize> = (0..scores.len()).collect();
                order.shuffle(&mut rng);
                order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
                let found = 1.0 + order.iter().position(|&place| right(place)).unwrap() as f64;
                rank += found / f64::from(draws);
                reciprocal += 1.0 / found / f64::from(draws);
                recall += f64::from(found <= 2.0) / f64::from(draws);
            }
            prop_assert!((standing.rank() - rank).abs() < 0.2);
            prop_assert!((standing.reciprocal_rank() - reciprocal).abs() < 0.04);
            prop_assert!((standing.recall(2) - recall).abs() < 0.04);
        }
    }
}
