//! The two stages as they were trained: a bi-encoder with its index, a cross-encoder.

use super::persona::{Rerank, Retrieve};
use crate::dialogue::Query;
use crate::error::Result;
use crate::index::{Entry, Index};
use crate::model::bi_encoder::BiEncoder;
use crate::model::cross_encoder::CrossEncoder;

/// A bi-encoder and the index of its vectors.
pub struct Indexed {
    /// Embeds what is asked.
    pub encoder: BiEncoder,
    /// The replies.
    pub index: Index,
}

impl Retrieve for Indexed {
    fn retrieve(&self, query: Query<'_>, count: usize) -> Result<Vec<(Entry, f32)>> {
        let embedded = self.encoder.embed_queries(&[query])?;
        let hits = self.index.search(embedded.row(0), count)?;
        hits.iter()
            .map(|hit| Ok((self.index.entry(hit.row)?, hit.score)))
            .collect()
    }
}

impl Rerank for CrossEncoder {
    fn rerank(&self, query: Query<'_>, replies: &[&str]) -> Result<Vec<f32>> {
        self.score(query, replies)
    }
}
