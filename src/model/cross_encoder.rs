//! The cross-encoder: query and reply read together, one score.

use std::path::Path;

use super::device::Compute;
use super::encoder::Encoder;
use super::tokenizer::{Query, Tokenizer};
use crate::error::Result;

/// An encoder with a head that scores a pair.
pub struct CrossEncoder {
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Longest pair, in tokens.
    pub max_length: usize,
}

impl CrossEncoder {
    /// Loads a folder that homer or sentence-transformers saved; body *and* head must be there.
    pub fn load(_folder: &Path, _compute: &Compute) -> Result<Self> {
        todo!()
    }

    /// Scores of replies to one query (logits; higher is better).
    pub fn score(&self, _query: Query<'_>, _replies: &[&str]) -> Result<Vec<f32>> {
        todo!()
    }

    /// Writes a folder that sentence-transformers' `CrossEncoder` loads.
    pub fn save(&self, _folder: &Path) -> Result<()> {
        todo!()
    }
}
