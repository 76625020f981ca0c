//! Hard negatives: replies that the bi-encoder takes for good answers though they are not the true
//! one.
//!
//! The very best of them are often good answers indeed, so the first few are passed over (Qu et
//! al., 2021, RocketQA, on false negatives), and so is whatever says the same as the true reply.

use std::collections::BTreeSet;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use crate::error::Result;
use crate::model::bi_encoder::{Embeddings, dot};
use crate::text::tfidf::tokens;
use crate::watch::Watch;

/// Which ranks are taken, and what counts as the same as the true reply.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Mining {
    /// Ranks passed over.
    pub skip: usize,
    /// The last rank that is taken.
    pub depth: usize,
    /// Replies with a higher cosine to the true one are left out.
    pub cosine: f32,
    /// Replies that share a larger part of their words (Jaccard index) are left out.
    pub words: f32,
}

impl Default for Mining {
    fn default() -> Self {
        Self {
            skip: 3,
            depth: 50,
            cosine: 0.95,
            words: 0.8,
        }
    }
}

/// Queries whose similarities to the whole pool are held in memory at once.
const BLOCK: usize = 256;

/// Near-duplicates of a true reply that are allowed for among the best.
const DUPLICATES: usize = 64;

/// For every query the pool's hard negatives, hardest first: ranks `skip + 1` to `depth` among
/// the replies that are not near-duplicates of the true one. `truth` is the place of every
/// query's true reply in the pool; `texts` are the pool's.
///
/// # Errors
/// [`crate::error::Error::Interrupted`] soon after `watch` says so, or a tensor operation
/// fails.
pub fn mine(
    queries: &Embeddings,
    pool: &Embeddings,
    texts: &[&str],
    truth: &[u32],
    mining: Mining,
    watch: &dyn Watch,
) -> Result<Vec<Vec<u32>>> {
    let words: Vec<BTreeSet<String>> = texts.iter().map(|text| tokens(text).collect()).collect();
    let width = pool.width;
    let replies = Tensor::from_slice(&pool.values, (pool.len(), width), &Device::Cpu)?.t()?;
    let mut mined = Vec::with_capacity(queries.len());
    for (block, truth) in queries
        .values
        .chunks(BLOCK * width)
        .zip(truth.chunks(BLOCK))
    {
        watch.go_on()?;
        let block = Tensor::from_slice(block, (block.len() / width, width), &Device::Cpu)?;
        let scores: Vec<Vec<f32>> = block.matmul(&replies)?.to_vec2()?; // [block, pool]
        let of_query = |(scores, &truth): (&Vec<f32>, &u32)| {
            let same = |&other: &u32| {
                other == truth
                    || dot(pool.row(other as usize), pool.row(truth as usize)) > mining.cosine
                    || shared(&words[other as usize], &words[truth as usize]) > mining.words
            };
            ranked(scores, mining.depth + DUPLICATES)
                .filter(|other| !same(other))
                .take(mining.depth)
                .skip(mining.skip)
                .collect()
        };
        mined.par_extend(scores.par_iter().zip(truth).map(of_query));
    }
    Ok(mined)
}

/// The best `count` places by falling score; of equal scores the first place comes first.
fn ranked(scores: &[f32], count: usize) -> impl Iterator<Item = u32> {
    let better = |a: &u32, b: &u32| {
        scores[*b as usize]
            .total_cmp(&scores[*a as usize])
            .then(a.cmp(b))
    };
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    if count < order.len() {
        order.select_nth_unstable_by(count, better);
        order.truncate(count);
    }
    order.sort_unstable_by(better);
    order.into_iter()
}

/// The part of the words of either that both have, in 0..=1 (Jaccard index).
fn shared(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f32 {
    let both = a.intersection(b).count();
    let either = a.len() + b.len() - both;
    if either == 0 {
        return 0.0;
    }
    both as f32 / either as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unit vectors in the plane, by angle in degrees.
    fn at(angles: &[f32]) -> Embeddings {
        let values = angles.iter().flat_map(|angle| {
            let angle = angle.to_radians();
            [angle.cos(), angle.sin()]
        });
        Embeddings {
            width: 2,
            values: values.collect(),
        }
    }

    fn mined(truth: u32, mining: Mining) -> Vec<u32> {
        let texts = [
            "I like pie",
            "pie, I do like!",
            "so I do like pie",
            "never on a Monday",
            "ask the neighbours",
            "what is that noise",
        ];
        let pool = at(&[0.0, 30.0, 60.0, 65.0, 100.0, 150.0]);
        let queries = at(&[5.0]);
        mine(&queries, &pool, &texts, &[truth], mining, &())
            .unwrap()
            .remove(0)
    }

    #[test]
    fn ranks_past_the_first_are_taken_and_no_near_duplicates() {
        let mining = Mining {
            skip: 0,
            depth: 50,
            cosine: 0.95,
            words: 0.55,
        };
        // The truth is out, and so are 1 and 2, which say the same in other words' order.
        assert_eq!(mined(0, mining), [3, 4, 5]);
        let further = Mining {
            skip: 1,
            depth: 2,
            ..mining
        };
        assert_eq!(mined(0, further), [4]);
        // 2 is close to 3 as a vector.
        assert_eq!(mined(3, mining), [0, 1, 4, 5]);
        let lax = Mining {
            cosine: 1.1,
            words: 1.1,
            ..mining
        };
        assert_eq!(mined(0, lax), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn blocks_are_joined_in_order() {
        let angles: Vec<f32> = (0..600).map(|i| i as f32 * 0.5).collect();
        let pool = at(&[0.0, 100.0, 200.0, 300.0]);
        let texts = ["a", "b", "c", "d"];
        let truth = vec![0; 600];
        let mining = Mining {
            skip: 0,
            depth: 1,
            ..Mining::default()
        };
        let all = mine(&at(&angles), &pool, &texts, &truth, mining, &()).unwrap();
        assert_eq!(all.len(), 600);
        assert_eq!(all[200], [1]); // 100°
        assert_eq!(all[400], [2]); // 200°
        assert_eq!(all[599], [3]); // 299.5°
        struct Stop;
        impl Watch for Stop {
            fn stop(&self) -> bool {
                true
            }
        }
        assert!(mine(&at(&angles), &pool, &texts, &truth, mining, &Stop).is_err());
    }
}
