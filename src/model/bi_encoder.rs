//! The bi-encoder: query and reply embedded apart, mean-pooled, of unit length.

use std::path::Path;

use candle_core::Tensor;

use super::checkpoint::Precision;
use super::device::Compute;
use super::encoder::{Encoder, Pooling};
use super::packed::{Packed, Tokens};
use super::tokenizer::{Query, Tokenizer};
use crate::error::Result;

/// Unit vectors, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// Width of a row.
    pub width: usize,
    /// `rows × width` values.
    pub values: Vec<f32>,
}

impl Embeddings {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.width..(i + 1) * self.width]
    }
}

/// Tokens in one call of the encoder when many texts are embedded.
const BATCH_TOKENS: usize = 4096;

/// A pretrained encoder with its tokenizer, pooled by the mean.
pub struct BiEncoder {
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Longest sequence, in tokens.
    pub max_length: usize,
}

impl BiEncoder {
    /// Loads a model folder: an encoder, or a bi-encoder that homer or sentence-transformers saved.
    pub fn load(_folder: &Path, _compute: &Compute) -> Result<Self> {
        todo!()
    }

    /// Embeds queries with their context `[queries, hidden]`.
    pub fn embed_queries(&self, queries: &[Query<'_>]) -> Result<Embeddings> {
        let tokens = queries
            .iter()
            .map(|query| self.tokenizer.query(*query, self.max_length))
            .collect::<Result<Vec<_>>>()?;
        self.embed(&tokens, |_| {})
    }

    /// Embeds replies `[replies, hidden]`.
    pub fn embed_replies(&self, replies: &[&str]) -> Result<Embeddings> {
        let tokens = replies
            .iter()
            .map(|reply| self.tokenizer.text(reply, self.max_length))
            .collect::<Result<Vec<_>>>()?;
        self.embed(&tokens, |_| {})
    }

    /// Embeds token sequences, in batches of similar length; `progress` is told how many are done.
    pub fn embed(&self, _sequences: &[Tokens], _progress: impl FnMut(usize)) -> Result<Embeddings> {
        let _ = (
            BATCH_TOKENS,
            Pooling::Mean,
            Packed::new([]),
            Option::<Tensor>::None,
        );
        todo!()
    }

    /// Writes a folder that sentence-transformers loads.
    pub fn save(&self, _folder: &Path, _precision: Precision) -> Result<()> {
        todo!()
    }
}
