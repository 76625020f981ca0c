//! The cross-encoder: query and reply read together, one score.

use std::path::Path;

use super::bi_encoder::within;
use super::numbers::numbers;
use crate::dialogue::Query;
use crate::error::{Error, Remedy, Result};
use crate::folder::Folder;
use crate::hf::export::{model_settings, save_cross_encoder};
use crate::hf::folder::ModelFolder;
use crate::hf::tensors::Precision;
use crate::hf::tokenizer::Tokenizer;
use crate::nn::device::Compute;
use crate::nn::encoder::{Encoder, Pooling};
use crate::nn::head::{Head, head_specs};
use crate::nn::host;
use crate::nn::packed::{Packed, Tokens};

/// Pairs' tokens in one call of the encoder.
const BATCH_TOKENS: usize = 8192;

/// An encoder with a head that scores a pair.
pub struct CrossEncoder {
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// The head.
    pub head: Head,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Longest pair, in tokens.
    pub max_length: usize,
}

impl CrossEncoder {
    /// Loads a folder that homer or sentence-transformers saved; body *and* head must be there.
    ///
    /// # Errors
    /// The folder is damaged or holds no such head: a random one would score at random.
    pub fn load(folder: impl Into<Folder>, compute: &Compute) -> Result<Self> {
        let folder = &folder.into();
        Self::of(folder, ModelFolder::open(folder)?, compute)
    }

    /// The same, with the difference in the folder's file `name` added to the weights.
    ///
    /// # Errors
    /// As [`CrossEncoder::load`]; the difference is of another model.
    pub(crate) fn load_with(folder: &Folder, name: &str, compute: &Compute) -> Result<Self> {
        let mut opened = ModelFolder::open(folder)?;
        opened.checkpoint = opened.checkpoint.with_difference(folder, name)?;
        Self::of(folder, opened, compute)
    }

    fn of(folder: &Folder, opened: ModelFolder, compute: &Compute) -> Result<Self> {
        let settings = model_settings(folder)?;
        let specs = head_specs(&opened.config);
        let Some(head) = opened.checkpoint.named(&specs)? else {
            return Err(Error::model(
                folder.to_path_buf(),
                "this model has no head that scores pairs: it is not a cross-encoder",
                Remedy::None,
            ));
        };
        Ok(Self {
            head: Head::new(&opened.config, &head, &compute.device())?,
            encoder: opened.encoder(compute)?,
            max_length: opened.longest(settings.max_length.unwrap_or(usize::MAX)),
            tokenizer: opened.tokenizer,
        })
    }

    /// Scores of replies to one query (logits; higher is better) `[replies]`.
    ///
    /// # Errors
    /// The tokenizer or a tensor operation fails; [`Error::NoNumber`].
    pub fn score(&self, query: Query<'_>, replies: &[&str]) -> Result<Vec<f32>> {
        let pairs: Vec<_> = replies.iter().map(|&reply| (query, reply)).collect();
        let tokens = self.tokenizer.pairs(&pairs, self.max_length)?;
        let scores = score(self.encoder.as_ref(), &self.head, &tokens)?;
        numbers(&scores, "cross-encoder")?;
        Ok(scores)
    }

    /// Writes a folder that sentence-transformers' `CrossEncoder` loads.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(&self, folder: &Path, precision: Precision) -> Result<()> {
        let weights = self.encoder.weights()?;
        let head = self.head.values()?;
        save_cross_encoder(
            folder,
            &weights,
            &head,
            &self.tokenizer,
            self.max_length,
            precision,
        )
    }
}

/// Scores of tokenised pairs (logits) `[pairs]`, see [`CrossEncoder::score`].
///
/// # Errors
/// A tensor operation fails.
pub(crate) fn score(encoder: &dyn Encoder, head: &Head, pairs: &[Tokens]) -> Result<Vec<f32>> {
    let mut scores = Vec::with_capacity(pairs.len());
    let mut rest = pairs;
    while !rest.is_empty() {
        let (batch, others) = rest.split_at(within(rest, BATCH_TOKENS));
        rest = others;
        let pooled = encoder.encode(&Packed::new(batch), Pooling::First)?; // [n, h]
        scores.extend(host::values(&head.score(&pooled)?)?);
    }
    Ok(scores)
}
