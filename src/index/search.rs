//! The best rows for a query.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;

use half::f16;
use rayon::prelude::*;

use super::dot;
use super::four::{Codes, Question};
use super::part::Part;

/// A row and its score.
#[derive(Debug, Clone, Copy)]
pub struct Hit {
    /// The row.
    pub row: usize,
    /// Its dot product with the query.
    pub score: f32,
}

/// The better hit is the greater: by score, then by the smaller row, so that order is total and
/// does not depend on how the rows were shared among threads.
impl Ord for Hit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(other.row.cmp(&self.row))
    }
}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Hit {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Hit {}

/// Vectors that one thread scores at a time: a few hundred KiB.
const BLOCK: usize = 512;
/// From this many vectors on it pays to wake other threads.
const PARALLEL: usize = 8 * BLOCK;
/// How many the first look keeps for each that is wanted, and at least: how far a score in four bits may be off
/// does not depend on how many are wanted.
const KEPT: usize = 8;
const LEAST_KEPT: usize = 512;
/// The first look pays where it keeps no more than one of so many.
const PAYS: usize = 32;

/// The `k` best rows of `vectors` `[rows, query.len()]`, best first; all rows if there are fewer. Every row is
/// scored exactly.
pub fn top_k(query: &[f32], vectors: &[f16], k: usize) -> Vec<Hit> {
    if query.is_empty() {
        return Vec::new();
    }
    let rows = vectors.len() / query.len();
    scan(rows, k.min(rows), exactly(query, vectors), Some).sorted()
}

/// The `k` best rows, best first, for a query of the parts' width. `row` tells whose vector is in a slot, counted
/// over all parts, if it is anybody's.
///
/// Every vector is scored exactly, unless a part is large and has its vectors in four bits too: then those are
/// looked at first, and their best by the exact vectors.
pub(super) fn best(
    query: &[f32],
    parts: &[Part],
    k: usize,
    row: impl Fn(usize) -> Option<usize> + Sync,
) -> Vec<Hit> {
    let slots = parts.iter().map(Part::len).sum();
    let k = k.min(slots);
    let kept = k.saturating_mul(KEPT).max(LEAST_KEPT);
    let (mut best, mut looked) = (Best::new(k), Best::new(kept.min(slots)));
    let mut first = 0;
    for part in parts {
        let row = |slot| row(first + slot);
        match part.codes() {
            Some(codes) if part.len() / PAYS >= kept => {
                let question = Question::new(query);
                // What is found is a slot here, not a row.
                let slot = |slot| row(slot).map(|_| first + slot);
                let found = scan(part.len(), kept, roughly(&question, codes), slot);
                looked = looked.merge(found);
            }
            _ => {
                let score = exactly(query, part.vectors());
                best = best.merge(scan(part.len(), k, score, row));
            }
        }
        first += part.len();
    }
    for slot in looked.slots() {
        let mut score = [0.0];
        if let (Some(vector), Some(row)) = (vector(parts, slot), row(slot)) {
            dot::dots(query, vector, &mut score);
            let [mut score] = score;
            first_if_none(&mut score);
            best.offer(Hit { row, score });
        }
    }
    best.sorted()
}

/// The vector in a slot, counted over all parts.
pub(super) fn vector(parts: &[Part], mut slot: usize) -> Option<&[f16]> {
    for part in parts {
        if slot < part.len() {
            return Some(part.vector(slot));
        }
        slot -= part.len();
    }
    None
}

/// Scores of neighbouring vectors by all of their values.
fn exactly<'a>(
    query: &'a [f32],
    vectors: &'a [f16],
) -> impl Fn(Range<usize>, &mut [f32]) + Sync + use<'a> {
    let width = query.len();
    move |slots, scores| {
        let vectors = vectors.get(slots.start * width..slots.end * width);
        dot::dots(query, vectors.unwrap_or_default(), scores);
    }
}

/// The same by four bits of each.
fn roughly<'a>(
    question: &'a Question,
    codes: Codes<'a>,
) -> impl Fn(Range<usize>, &mut [f32]) + Sync + use<'a> {
    move |slots, scores| question.scores(codes.of(slots), scores)
}

/// Scores so many slots, in blocks and by all threads, and keeps the `k` best of those that `row` gives a number.
fn scan(
    slots: usize,
    k: usize,
    score: impl Fn(Range<usize>, &mut [f32]) + Sync,
    row: impl Fn(usize) -> Option<usize> + Sync,
) -> Best {
    let block = |best: Best, block: usize| {
        let first = block * BLOCK;
        let slots = first..slots.min(first + BLOCK);
        let mut scores = [0.0; BLOCK];
        let scores = scores.get_mut(..slots.len()).unwrap_or_default();
        score(slots, scores);
        scores.iter_mut().for_each(first_if_none);
        best.take(scores, |i| row(first + i))
    };
    let blocks = 0..slots.div_ceil(BLOCK);
    if slots < PARALLEL {
        return blocks.fold(Best::new(k), block);
    }
    blocks
        .into_par_iter()
        .fold(|| Best::new(k), block)
        .reduce(|| Best::new(k), Best::merge)
}

/// Lets a score that is no number come before all others, where it is seen.
fn first_if_none(score: &mut f32) {
    if !score.is_finite() {
        *score = f32::NAN;
    }
}

/// The best hits so far, the worst of them on top, and how many are kept.
struct Best(BinaryHeap<Reverse<Hit>>, usize);

impl Best {
    fn new(k: usize) -> Self {
        Self(BinaryHeap::with_capacity(k), k)
    }

    fn take(mut self, scores: &[f32], row: impl Fn(usize) -> Option<usize>) -> Self {
        for (i, &score) in scores.iter().enumerate() {
            // Nearly all end here.
            let hopeless =
                self.0.len() == self.1 && self.0.peek().is_none_or(|worst| score < worst.0.score);
            if !hopeless && let Some(row) = row(i) {
                self.offer(Hit { row, score });
            }
        }
        self
    }

    fn offer(&mut self, hit: Hit) {
        if self.0.len() < self.1 {
            self.0.push(Reverse(hit));
        } else if let Some(mut worst) = self.0.peek_mut()
            && hit > worst.0
        {
            *worst = Reverse(hit);
        }
    }

    fn merge(mut self, other: Self) -> Self {
        for Reverse(hit) in other.0 {
            self.offer(hit);
        }
        self
    }

    /// The hits, best first.
    fn sorted(self) -> Vec<Hit> {
        let sorted = self.0.into_sorted_vec().into_iter();
        sorted.map(|hit| hit.0).collect()
    }

    /// The rows, in their order in memory.
    fn slots(self) -> Vec<usize> {
        let mut slots: Vec<usize> = self.0.into_iter().map(|hit| hit.0.row).collect();
        slots.sort_unstable();
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    /// Scores every row one by one and sorts them all.
    fn sorted(query: &[f32], vectors: &[f16]) -> Vec<Hit> {
        let mut hits: Vec<Hit> = vectors
            .chunks(query.len())
            .enumerate()
            .map(|(row, vector)| {
                let mut score = [0.0];
                dot::dots(query, vector, &mut score);
                Hit {
                    row,
                    score: score[0],
                }
            })
            .collect();
        hits.sort_by(|a, b| b.cmp(a));
        hits
    }

    #[test]
    fn finds_exactly_what_sorting_everything_finds() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        // Few distinct values, so that there are many ties.
        for rows in [1, 2, BLOCK - 1, BLOCK + 1, PARALLEL, 3 * PARALLEL + 5] {
            let query: Vec<f32> = (0..3).map(|_| rng.random_range(-2..3) as f32).collect();
            let vectors: Vec<f16> = (0..rows * 3)
                .map(|_| f16::from_f32(rng.random_range(-2..3) as f32))
                .collect();
            let all = sorted(&query, &vectors);
            for k in [0, 1, 10, 50, rows, rows + 1] {
                let found = top_k(&query, &vectors, k);
                assert_eq!(found.len(), k.min(rows));
                assert_eq!(found, all[..k.min(rows)], "{rows} rows, best {k}");
            }
        }
    }
}
