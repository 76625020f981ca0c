//! The exact best rows for a query: every row is scored, none is approximated.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use half::f16;
use rayon::prelude::*;

use super::dot;

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

/// Rows that one thread scores at a time: a few hundred KiB of vectors.
const BLOCK: usize = 512;
/// From this many rows on it pays to wake other threads.
const PARALLEL: usize = 8 * BLOCK;

/// The `k` best rows of `vectors` `[rows, query.len()]`, best first; all rows if there are fewer.
pub fn top_k(query: &[f32], vectors: &[f16], k: usize) -> Vec<Hit> {
    if query.is_empty() {
        return Vec::new();
    }
    let rows = vectors.len() / query.len();
    let k = k.min(rows);
    let blocks = vectors.chunks(BLOCK * query.len());
    let best = if rows < PARALLEL {
        blocks
            .enumerate()
            .fold(Best::new(k), |best, (block, vectors)| {
                best.scan(query, vectors, block * BLOCK)
            })
    } else {
        vectors
            .par_chunks(BLOCK * query.len())
            .enumerate()
            .fold(
                || Best::new(k),
                |best, (block, vectors)| best.scan(query, vectors, block * BLOCK),
            )
            .reduce(|| Best::new(k), Best::merge)
    };
    best.0
        .into_sorted_vec()
        .into_iter()
        .map(|hit| hit.0)
        .collect()
}

/// The best hits so far, the worst of them on top; its capacity is the number kept.
struct Best(BinaryHeap<Reverse<Hit>>, usize);

impl Best {
    fn new(k: usize) -> Self {
        Self(BinaryHeap::with_capacity(k), k)
    }

    fn scan(mut self, query: &[f32], vectors: &[f16], first: usize) -> Self {
        let mut scores = [0.0; BLOCK];
        let scores = scores
            .get_mut(..vectors.len() / query.len())
            .unwrap_or_default();
        dot::dots(query, vectors, scores);
        for (row, &score) in scores.iter().enumerate() {
            self.offer(Hit {
                row: first + row,
                score,
            });
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
