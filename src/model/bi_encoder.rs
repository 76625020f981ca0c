//! The bi-encoder: query and reply embedded apart, mean-pooled, of unit length.

use std::path::Path;

use super::numbers::numbers;
use super::query;
use crate::dialogue::Query;
use crate::error::Result;
use crate::folder::Folder;
use crate::hf::export::{model_settings, save_bi_encoder};
use crate::hf::folder::ModelFolder;
use crate::hf::tensors::Precision;
use crate::hf::tokenizer::Tokenizer;
use crate::nn::device::Compute;
use crate::nn::encoder::{Encoder, Pooling};
use crate::nn::head::pooler_specs;
use crate::nn::host;
use crate::nn::packed::{Packed, Tokens};
use crate::nn::weights::Values;

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
    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.width..(i + 1) * self.width]
    }
}

/// The scalar product of two vectors: of unit vectors, their cosine.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Sequences' tokens in one call of the encoder when many texts are embedded.
const BATCH_TOKENS: usize = 8192;

/// A pretrained encoder with its tokenizer, pooled by the mean.
pub struct BiEncoder {
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Longest sequence, in tokens.
    pub max_length: usize,
    /// The pooler that came with the checkpoint: not used here, but carried on to the
    /// cross-encoder and into what is saved.
    pub pooler: Option<Vec<Values>>,
}

impl BiEncoder {
    /// Loads a model folder: an encoder, or a bi-encoder that homer or sentence-transformers saved.
    ///
    /// # Errors
    /// The folder is damaged or holds another kind of model, see [`ModelFolder::open`].
    pub fn load(folder: impl Into<Folder>, compute: &Compute) -> Result<Self> {
        let folder = &folder.into();
        let opened = ModelFolder::open(folder)?;
        let settings = model_settings(folder)?;
        Ok(Self {
            encoder: opened.encoder(compute)?,
            max_length: opened.longest(settings.max_length.unwrap_or(usize::MAX)),
            pooler: opened.checkpoint.named(&pooler_specs(&opened.config))?,
            tokenizer: opened.tokenizer,
        })
    }

    /// Embeds queries with their context `[queries, hidden]`, see [`query`].
    ///
    /// # Errors
    /// The tokenizer or a tensor operation fails.
    pub fn embed_queries(&self, queries: &[Query<'_>]) -> Result<Embeddings> {
        let queries = self.tokenizer.queries(queries, self.max_length)?;
        query::embed(&queries, |sequences| self.embed(sequences, |_| Ok(())))
    }

    /// Embeds replies `[replies, hidden]`.
    ///
    /// # Errors
    /// The tokenizer or a tensor operation fails.
    pub fn embed_replies(&self, replies: &[&str]) -> Result<Embeddings> {
        self.embed(&self.tokenizer.texts(replies, self.max_length)?, |_| Ok(()))
    }

    /// Embeds token sequences `[sequences, hidden]`, in batches; `progress` is told how many more
    /// are done, and may end it.
    ///
    /// # Errors
    /// A tensor operation fails, [`crate::Error::NoNumber`], or what `progress` returns.
    pub(crate) fn embed(
        &self,
        sequences: &[Tokens],
        progress: impl FnMut(usize) -> Result<()>,
    ) -> Result<Embeddings> {
        let embedded = embed(self.encoder.as_ref(), sequences, progress)?;
        numbers(&embedded.values, "bi-encoder")?;
        Ok(embedded)
    }

    /// Writes a folder that sentence-transformers loads.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(&self, folder: &Path, precision: Precision) -> Result<()> {
        let weights = self.encoder.weights()?;
        save_bi_encoder(
            folder,
            &weights,
            self.pooler.as_deref(),
            &self.tokenizer,
            self.max_length,
            precision,
        )
    }
}

/// Mean-pooled unit vectors of token sequences `[sequences, hidden]`, see [`BiEncoder::embed`].
///
/// # Errors
/// A tensor operation fails.
pub(crate) fn embed(
    encoder: &dyn Encoder,
    sequences: &[Tokens],
    mut progress: impl FnMut(usize) -> Result<()>,
) -> Result<Embeddings> {
    let width = encoder.config().hidden;
    let mut values = Vec::with_capacity(sequences.len() * width);
    let mut rest = sequences;
    while !rest.is_empty() {
        let (batch, others) = rest.split_at(within(rest, BATCH_TOKENS));
        rest = others;
        let pooled = encoder.encode(&Packed::new(batch), Pooling::Mean)?; // [n, h]
        values.extend(host::values(&pooled)?);
        progress(batch.len())?;
    }
    values.chunks_mut(width).for_each(normalize);
    Ok(Embeddings { width, values })
}

/// How many of the first sequences have at most `tokens` tokens together; at least one.
pub(super) fn within(sequences: &[Tokens], tokens: usize) -> usize {
    let mut sum = 0;
    let fits = sequences.iter().take_while(|sequence| {
        sum += sequence.len();
        sum <= tokens
    });
    fits.count().max(1)
}

/// Divides a vector by its length, as sentence-transformers' Normalize does.
pub(super) fn normalize(row: &mut [f32]) {
    let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
    // What is too long to have a length must not become nothing.
    let length = match length.is_finite() {
        true => length.max(1e-12),
        false => f32::NAN,
    };
    row.iter_mut().for_each(|x| *x /= length);
}
