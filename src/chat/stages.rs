//! The two stages as they were trained: a bi-encoder with its index, a cross-encoder.

use rayon::prelude::*;

use super::persona::{Enough, Retrieve, until};
use super::second_stage::Rerank;
use crate::dialogue::Query;
use crate::error::Result;
use crate::index::{Entry, Index};
use crate::model::bi_encoder::BiEncoder;
use crate::model::cross_encoder::CrossEncoder;

/// A bi-encoder and the index of its vectors.
pub(crate) struct Indexed {
    /// Embeds what is asked.
    pub encoder: BiEncoder,
    /// The replies.
    pub index: Index,
}

impl Indexed {
    /// The `count` replies whose vectors are nearest.
    fn nearest(&self, vector: &[f32], count: usize) -> Result<Vec<(Entry, f32)>> {
        let hits = self.index.search(vector, count)?;
        let rows: Vec<usize> = hits.iter().map(|hit| hit.row).collect();
        let entries = self.index.entries(&rows)?;
        let scores = hits.iter().map(|hit| hit.score);
        Ok(entries.into_iter().zip(scores).collect())
    }
}

impl Retrieve for Indexed {
    fn retrieve(&self, query: Query<'_>, count: usize) -> Result<Vec<(Entry, f32)>> {
        let embedded = self.encoder.embed_queries(&[query])?;
        self.nearest(embedded.row(0), count)
    }

    fn retrieve_until(
        &self,
        query: Query<'_>,
        count: usize,
        enough: &Enough<'_>,
    ) -> Result<Vec<(Entry, f32)>> {
        let embedded = self.encoder.embed_queries(&[query])?;
        until(count, enough, |count| self.nearest(embedded.row(0), count))
    }

    fn retrieve_all(&self, queries: &[(Query<'_>, usize)]) -> Result<Vec<Vec<(Entry, f32)>>> {
        let texts: Vec<Query<'_>> = queries.iter().map(|&(query, _)| query).collect();
        let embedded = self.encoder.embed_queries(&texts)?; // [queries, width]
        let each = queries.par_iter().enumerate();
        each.map(|(i, &(_, count))| self.nearest(embedded.row(i), count))
            .collect()
    }

    fn bi_encoder(&self) -> Option<&BiEncoder> {
        Some(&self.encoder)
    }
}

impl Rerank for CrossEncoder {
    fn rerank(&self, query: Query<'_>, replies: &[&str]) -> Result<Vec<f32>> {
        self.score(query, replies)
    }
}
