//! What is asked of whatever keeps replies with their vectors.

use rayon::prelude::*;

use super::{Entry, Index};
use crate::error::Result;

/// Finds the replies whose vectors are nearest to a question's.
pub trait Nearest: Send + Sync {
    /// The `count` replies whose vectors have the greatest dot product with `vector`, best first, with it; all
    /// where there are fewer.
    ///
    /// # Errors
    /// `vector` is of another width, or the replies cannot be read.
    fn nearest(&self, vector: &[f32], count: usize) -> Result<Vec<(Entry, f32)>>;

    /// The same for several vectors at once.
    ///
    /// # Errors
    /// As [`Nearest::nearest`].
    fn nearest_all(&self, all: &[(&[f32], usize)]) -> Result<Vec<Vec<(Entry, f32)>>> {
        let each = all.par_iter();
        each.map(|&(vector, count)| self.nearest(vector, count))
            .collect()
    }

    /// Whether other replies have taken the place of these since they were opened, or since this was last
    /// asked.
    fn renewed(&self) -> bool {
        false
    }
}

impl Nearest for Index {
    fn nearest(&self, vector: &[f32], count: usize) -> Result<Vec<(Entry, f32)>> {
        let hits = self.search(vector, count)?;
        let rows: Vec<usize> = hits.iter().map(|hit| hit.row).collect();
        let entries = self.entries(&rows)?;
        let scores = hits.iter().map(|hit| hit.score);
        Ok(entries.into_iter().zip(scores).collect())
    }
}
