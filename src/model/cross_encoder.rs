//! The cross-encoder: query and reply read together, one score.

use std::path::Path;

use super::checkpoint::Precision;
use super::device::Compute;
use super::encoder::Encoder;
use super::tokenizer::{Query, Tokenizer};
use crate::error::Result;
use crate::train::head::Head;

/// Where the head of a cross-encoder that is to be trained comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadOrigin {
    /// The folder held all of it.
    Loaded,
    /// The folder held the pooler; the classifier is new.
    Pooler,
    /// All of it is new.
    New,
}

/// An encoder with a head that scores a pair.
pub struct CrossEncoder {
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// What scores the first token's state.
    pub head: Head,
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

    /// Loads an encoder, a bi-encoder or a cross-encoder to train it; what the head lacks is made
    /// anew from `seed`.
    pub fn start(_folder: &Path, _compute: &Compute, _seed: u64) -> Result<(Self, HeadOrigin)> {
        todo!()
    }

    /// Scores of replies to one query (logits; higher is better).
    pub fn score(&self, _query: Query<'_>, _replies: &[&str]) -> Result<Vec<f32>> {
        todo!()
    }

    /// Writes a folder that sentence-transformers' `CrossEncoder` loads.
    pub fn save(&self, _folder: &Path, _precision: Precision) -> Result<()> {
        todo!()
    }
}
