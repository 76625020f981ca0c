//! Which examples a step sees: a function of the seed and the step alone, so that a run resumes
//! anywhere.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::seed::{Stream, derive};

/// Batches of example numbers. Every epoch sees every example once, in a new order, in batches
/// that differ in size by one at most: no batch is left with too few in-batch negatives.
#[derive(Debug)]
pub(crate) struct Batches {
    examples: usize,
    per_epoch: usize,
    seed: u64,
    /// The epoch whose order is at hand.
    epoch: u64,
    order: Vec<usize>,
}

impl Batches {
    /// Batches of at most `size` out of `examples`; both are at least 1.
    pub(crate) fn new(examples: usize, size: usize, seed: u64) -> Self {
        Self {
            examples,
            per_epoch: examples.div_ceil(size.max(1)).max(1),
            seed,
            epoch: 0,
            order: Vec::new(),
        }
    }

    /// Batches an epoch.
    pub(crate) fn per_epoch(&self) -> u64 {
        self.per_epoch as u64
    }

    /// The batch of step `step`, counted from 0.
    pub(crate) fn at(&mut self, step: u64) -> &[usize] {
        let epoch = step / self.per_epoch();
        if self.order.is_empty() || epoch != self.epoch {
            self.epoch = epoch;
            self.order = (0..self.examples).collect();
            let seed = derive(self.seed, Stream::Order, epoch);
            self.order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        }
        let place = (step % self.per_epoch()) as usize;
        &self.order
            [place * self.examples / self.per_epoch..(place + 1) * self.examples / self.per_epoch]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_sees_every_example_once_in_batches_of_nearly_one_size() {
        let mut batches = Batches::new(103, 20, 7);
        assert_eq!(batches.per_epoch(), 6);
        let mut orders = Vec::new();
        for epoch in 0..2 {
            let mut seen = Vec::new();
            for step in 0..6 {
                let batch = batches.at(epoch * 6 + step);
                assert!((17..=18).contains(&batch.len()));
                seen.extend_from_slice(batch);
            }
            orders.push(seen.clone());
            seen.sort_unstable();
            assert_eq!(seen, (0..103).collect::<Vec<_>>());
        }
        assert_ne!(orders[0], orders[1]);
    }

    #[test]
    fn a_batch_depends_on_seed_and_step_alone() {
        let mut straight = Batches::new(50, 8, 7);
        for step in 0..30 {
            let batch = straight.at(step).to_vec();
            assert_eq!(Batches::new(50, 8, 7).at(step), batch);
        }
        assert_ne!(Batches::new(50, 8, 8).at(0), Batches::new(50, 8, 7).at(0));
    }
}
