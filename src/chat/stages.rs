//! The two stages as they were trained: a bi-encoder with its index, a cross-encoder.

use super::retrieve::{Enough, Retrieve, until};
use super::second_stage::Rerank;
use crate::dialogue::Query;
use crate::error::Result;
use crate::index::{Entry, Nearest};
use crate::model::bi_encoder::BiEncoder;
use crate::model::cross_encoder::CrossEncoder;

/// A bi-encoder, and the replies by the vectors that it made of them.
pub(crate) struct Indexed<N> {
    /// Embeds what is asked.
    pub encoder: BiEncoder,
    /// The replies.
    pub replies: N,
}

impl<N: Nearest> Retrieve for Indexed<N> {
    fn retrieve(&self, query: Query<'_>, count: usize) -> Result<Vec<(Entry, f32)>> {
        let embedded = self.encoder.embed_queries(&[query])?;
        self.replies.nearest(embedded.row(0), count)
    }

    fn retrieve_until(
        &self,
        query: Query<'_>,
        count: usize,
        enough: &Enough<'_>,
    ) -> Result<Vec<(Entry, f32)>> {
        let embedded = self.encoder.embed_queries(&[query])?;
        until(count, enough, |count| {
            self.replies.nearest(embedded.row(0), count)
        })
    }

    fn retrieve_all(&self, queries: &[(Query<'_>, usize)]) -> Result<Vec<Vec<(Entry, f32)>>> {
        let texts: Vec<Query<'_>> = queries.iter().map(|&(query, _)| query).collect();
        let embedded = self.encoder.embed_queries(&texts)?; // [queries, width]
        let each = queries.iter().enumerate();
        let all: Vec<_> = each
            .map(|(i, &(_, count))| (embedded.row(i), count))
            .collect();
        self.replies.nearest_all(&all)
    }

    fn renewed(&self) -> bool {
        self.replies.renewed()
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
