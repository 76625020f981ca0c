//! The wrong answers that the cross-encoder learns to tell from the true one.
//!
//! Half are drawn from all replies, half from those of the same scene: these speak of the same
//! things and answer something else. None is a neighbour of the query by the bi-encoder: the true
//! reply mostly stands below such neighbours, so that against them *less similar* is right, which is
//! wrong wherever a reranker is used. Against replies drawn at random a model learns log p(reply | query) /
//! p(reply) (noise-contrastive estimation; Ma and Collins, 2018).

use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Per exchange, by number among the [`Replies`]: the true reply and where its negatives come from.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Negatives {
    /// The true reply.
    truth: Vec<u32>,
    /// Which of `scenes` an exchange is of.
    scene: Vec<u32>,
    /// The true replies of each scene.
    scenes: Vec<Vec<u32>>,
    /// Random negatives are drawn from the replies below this number.
    pool: u32,
}

/// Where a negative comes from, in turn.
#[derive(Clone, Copy)]
enum Source {
    Random,
    Scene,
}
const TURNS: [Source; 2] = [Source::Random, Source::Scene];

impl Negatives {
    /// Of exchanges, each by its scene and the number of its reply, of `distinct` ones.
    pub(crate) fn new(exchanges: &[(usize, u32)], distinct: usize) -> Self {
        let mut places = HashMap::new();
        let mut scenes: Vec<Vec<u32>> = Vec::new();
        let mut scene = Vec::with_capacity(exchanges.len());
        for &(of, reply) in exchanges {
            let place = *places.entry(of).or_insert_with(|| {
                scenes.push(Vec::new());
                scenes.len() - 1
            });
            scenes[place].push(reply);
            scene.push(place as u32);
        }
        Self {
            truth: exchanges.iter().map(|&(_, reply)| reply).collect(),
            scene,
            scenes,
            pool: distinct as u32,
        }
    }

    /// How many distinct true replies there are.
    pub(crate) fn distinct(&self) -> usize {
        self.pool as usize
    }

    /// The true reply of exchange `i`, then `count` distinct negatives, drawn with `seed`: of each source
    /// in turn, random ones where the scene has no more. Fewer only when there are no more at all.
    pub(crate) fn draw(&self, i: usize, count: usize, seed: u64) -> Vec<u32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let scene = &self.scenes[self.scene[i] as usize];
        let mut drawn = Vec::with_capacity(count + 1);
        drawn.push(self.truth[i]);
        for turn in 0..count {
            // Round a source once from a random place: it ends even when nothing is left.
            let fresh = |number: &u32| !drawn.contains(number);
            let found = match TURNS[turn % TURNS.len()] {
                Source::Random => None,
                Source::Scene => {
                    let start = rng.random_range(0..scene.len());
                    let around = scene[start..].iter().chain(&scene[..start]);
                    around.copied().find(fresh)
                }
            };
            let found = found.or_else(|| {
                let start = rng.random_range(0..self.pool.max(1));
                (start..self.pool).chain(0..start).find(fresh)
            });
            drawn.extend(found);
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    /// Three scenes; the reply of the first exchange is the fifth one's too.
    fn sample() -> Negatives {
        Negatives::new(&[(3, 0), (3, 1), (3, 2), (7, 3), (7, 0), (9, 4), (9, 5)], 6)
    }

    #[test]
    fn half_are_of_the_scene_and_none_is_the_truth() {
        let negatives = sample();
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let drawn = negatives.draw(0, 4, seed);
            assert_eq!(drawn, negatives.draw(0, 4, seed));
            let mut distinct = drawn.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), 5);
            assert_eq!(drawn[0], 0);
            assert!([1, 2].contains(&drawn[2]) || [1, 2].contains(&drawn[1]));
            seen.extend(drawn);
        }
        assert_eq!(seen.len(), 6);
        // The same reply is the truth in another scene too.
        assert!((0..50).all(|seed| !negatives.draw(4, 5, seed)[1..].contains(&0)));
    }

    #[test]
    fn random_ones_fill_in_until_the_pool_is_empty() {
        let negatives = sample();
        let mut all = negatives.draw(5, 20, 1);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5]);
        assert_eq!(negatives.distinct(), 6);
    }
}
