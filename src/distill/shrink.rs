//! A trained model made smaller without training: fewer tokens, fewer positions, fewer bits a weight.
//!
//! Tokens and positions that no text uses change nothing. A word whose token is dropped is read in
//! pieces, and weights in eight bits are rounded: how much that moves what the model says is
//! measured on the texts.

use std::path::Path;

use super::student::{self, Cut};
use super::texts::Scene;
use super::vocabulary::{self, Characters};
use crate::dialogue::Query;
use crate::error::{Error, Remedy, Result, Setting};
use crate::hf::checkpoint::{Checkpoint, HeadKind, weights_bytes};
use crate::hf::export::{save_bi_encoder, save_cross_encoder};
use crate::hf::tensors::Precision;
use crate::hf::tokenizer::Tokenizer;
use crate::model::bi_encoder::BiEncoder;
use crate::model::cross_encoder::{CrossEncoder, score};
use crate::nn::device::Compute;
use crate::nn::encoder::Encoder;
use crate::nn::weights::Weights;

/// Texts, or pairs of them, that the two models are compared on, at most.
const COMPARED: usize = 300;

/// Positions are kept in such steps, and as many as [`POSITIONS`] where the model has them.
const STEP: usize = 64;
const POSITIONS: usize = 128;

/// What the small model is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShrinkOptions {
    /// Its tokens; `None` for all that can be read out of a text.
    pub vocabulary: Option<usize>,
    /// How it is stored.
    pub precision: Precision,
}

/// What was kept, and how far what the model says has moved.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// Tokens before and after.
    pub tokens: [usize; 2],
    /// Positions before and after.
    pub positions: [usize; 2],
    /// Bytes of the weights on disk before and after.
    pub bytes: [u64; 2],
    /// What that does to texts, where there are any.
    pub measured: Option<Measured>,
}

/// What a smaller model makes of texts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Share of the texts' tokens that are still read whole.
    pub coverage: f64,
    /// Texts, or pairs of texts, that were compared.
    pub compared: usize,
    /// The change on them.
    pub change: Change,
}

/// How far what a model says has moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// Of a bi-encoder: the cosine of a text's two vectors.
    Cosine {
        /// On average.
        mean: f64,
        /// Where it is the least.
        least: f64,
    },
    /// Of a cross-encoder: the absolute difference of a pair's two scores.
    Score {
        /// On average.
        mean: f64,
        /// Where it is the most.
        most: f64,
        /// The standard deviation of the scores before, to judge it by.
        deviation: f64,
    },
}

/// Writes the model of a folder, a bi-encoder or a cross-encoder, to the folder `out` as `options`
/// say. The tokens kept are the special ones, all single characters, those of `scenes`, the most
/// frequent first, and then the first of the vocabulary; positions beyond the model's longest
/// sequence are dropped.
///
/// # Errors
/// [`Error::Exists`] where there is something at `out`; the model cannot be read, there is no text to choose a
/// vocabulary by, it is too small for the characters, or `out` cannot be written.
pub(crate) fn shrink(
    model: &Path,
    out: &Path,
    scenes: &[Scene],
    options: &ShrinkOptions,
    compute: &Compute,
) -> Result<Shrunk> {
    if out.exists() {
        return Err(Error::Exists {
            path: out.to_path_buf(),
            remedy: Remedy::Change(Setting::Out, "another").or("move this one away"),
        });
    }
    let lines: Vec<&str> = scenes.iter().flatten().map(String::as_str).collect();
    if lines.is_empty() && options.vocabulary.is_some() {
        return Err(Error::too_few(
            "there is no text to choose tokens by",
            "give a script, or a file with one sentence a line",
        ));
    }
    let whole = Model::load(model, compute)?;
    let (encoder, tokenizer, max_length) = whole.parts();
    let weights = encoder.weights()?;
    let old = &weights.config;
    let counts = [vocabulary::count(tokenizer, &lines)?];
    let size = options.vocabulary.unwrap_or(usize::MAX);
    let chosen = vocabulary::choose(tokenizer, &counts, size, Characters::All)?;
    let small = student::cut(
        &weights,
        &Cut {
            words: &chosen.kept,
            layers: &(0..old.layers).collect::<Vec<_>>(),
            intermediate: old.intermediate,
            positions: positions(max_length, old.max_positions),
        },
    )?;
    whole.save(
        out,
        &small,
        &tokenizer.cut(&chosen.kept)?,
        options.precision,
    )?;

    let measured = if lines.is_empty() {
        None
    } else {
        let (compared, change) = whole.compare(&Model::load(out, compute)?, scenes)?;
        Some(Measured {
            coverage: chosen.coverage,
            compared,
            change,
        })
    };
    Ok(Shrunk {
        tokens: [old.vocab, small.config.vocab],
        positions: [old.max_positions, small.config.max_positions],
        bytes: [weights_bytes(&model.into())?, weights_bytes(&out.into())?],
        measured,
    })
}

/// Positions to keep `of` those that there are, for a longest sequence of `longest` tokens.
fn positions(longest: usize, of: usize) -> usize {
    longest.next_multiple_of(STEP).max(POSITIONS).min(of)
}

/// A model of either kind.
enum Model {
    Bi(BiEncoder),
    Cross(CrossEncoder),
}

impl Model {
    /// A cross-encoder where the folder holds a classifier, else a bi-encoder.
    fn load(folder: &Path, compute: &Compute) -> Result<Self> {
        Ok(if Checkpoint::open(folder)?.has(HeadKind::Classifier) {
            Self::Cross(CrossEncoder::load(folder, compute)?)
        } else {
            Self::Bi(BiEncoder::load(folder, compute)?)
        })
    }

    /// Its encoder, its tokenizer, and its longest sequence.
    fn parts(&self) -> (&dyn Encoder, &Tokenizer, usize) {
        match self {
            Self::Bi(model) => (model.encoder.as_ref(), &model.tokenizer, model.max_length),
            Self::Cross(model) => (model.encoder.as_ref(), &model.tokenizer, model.max_length),
        }
    }

    /// Writes it with another encoder and tokenizer.
    fn save(
        &self,
        folder: &Path,
        weights: &Weights,
        tokenizer: &Tokenizer,
        precision: Precision,
    ) -> Result<()> {
        match self {
            Self::Bi(model) => save_bi_encoder(
                folder,
                weights,
                model.pooler.as_deref(),
                tokenizer,
                model.max_length,
                precision,
            ),
            Self::Cross(model) => save_cross_encoder(
                folder,
                weights,
                &model.head.values()?,
                tokenizer,
                model.max_length,
                precision,
            ),
        }
    }

    /// On how many texts or pairs of `scenes` it was compared with `other`, and their difference.
    fn compare(&self, other: &Self, scenes: &[Scene]) -> Result<(usize, Change)> {
        match (self, other) {
            (Self::Cross(before), Self::Cross(after)) => {
                let turns = scenes.iter().flat_map(|scene| scene.windows(2));
                let pairs = turns.filter_map(|turns| match turns {
                    [turn, next] => Some([turn.as_str(), next.as_str()]),
                    _ => None,
                });
                let pairs: Vec<_> = pairs.collect();
                let pairs = spread(&pairs);
                let [before, after] = [scores(before, &pairs)?, scores(after, &pairs)?];
                Ok((pairs.len(), difference(&before, &after)))
            }
            (Self::Bi(before), Self::Bi(after)) => {
                let turns: Vec<&str> = scenes.iter().flatten().map(String::as_str).collect();
                let turns = spread(&turns);
                let [before, after] = [before, after].map(|model| model.embed_replies(&turns));
                let (before, after) = (before?, after?);
                let cosines = (0..turns.len()).map(|i| {
                    let products = before.row(i).iter().zip(after.row(i));
                    products.map(|(a, b)| f64::from(a * b)).sum::<f64>()
                });
                let cosines: Vec<f64> = cosines.collect();
                let change = Change::Cosine {
                    mean: mean(&cosines),
                    least: cosines.iter().copied().fold(1.0, f64::min),
                };
                Ok((turns.len(), change))
            }
            _ => unreachable!("a model is saved as what it is"),
        }
    }
}

/// Scores of the second text of each pair as the reply to the first `[pairs]`.
fn scores(model: &CrossEncoder, pairs: &[[&str; 2]]) -> Result<Vec<f64>> {
    let query = |text| Query { context: &[], text };
    let pairs: Vec<_> = pairs
        .iter()
        .map(|&[text, reply]| (query(text), reply))
        .collect();
    let tokens = model.tokenizer.pairs(&pairs, model.max_length)?;
    let scores = score(model.encoder.as_ref(), &model.head, &tokens)?;
    Ok(scores.into_iter().map(f64::from).collect())
}

/// How far scores have moved.
fn difference(before: &[f64], after: &[f64]) -> Change {
    let moved = before.iter().zip(after).map(|(a, b)| (a - b).abs());
    let moved: Vec<f64> = moved.collect();
    let middle = mean(before);
    let squares: Vec<f64> = before.iter().map(|x| (x - middle).powi(2)).collect();
    Change::Score {
        mean: mean(&moved),
        most: moved.iter().copied().fold(0.0, f64::max),
        deviation: mean(&squares).sqrt(),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// At most [`COMPARED`] of the items, evenly spread over them.
fn spread<T: Copy>(items: &[T]) -> Vec<T> {
    let step = items.len().div_ceil(COMPARED).max(1);
    items.iter().step_by(step).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_kept_as_far_as_sequences_reach() {
        assert_eq!(positions(256, 512), 256);
        assert_eq!(positions(130, 512), 192);
        assert_eq!(positions(512, 512), 512);
        assert_eq!(positions(20, 512), 128);
        assert_eq!(positions(20, 64), 64);
    }

    #[test]
    fn what_is_compared_is_spread_over_all() {
        let items: Vec<usize> = (0..700).collect();
        let some = spread(&items);
        assert!(some.len() > 200 && some.len() <= COMPARED && some.last() > Some(&690));
        assert_eq!(spread(&items[..5]), [0, 1, 2, 3, 4]);
        assert!(spread::<usize>(&[]).is_empty());
    }
}
