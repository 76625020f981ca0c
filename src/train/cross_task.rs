//! What the cross-encoder learns: to score the true reply above negatives, reading each together
//! with the query.

use std::path::Path;

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::losses;
use super::negatives::Negatives;
use super::task::{Task, Trainee, Validation, reciprocal_rank};
use crate::dialogue::{self, Exchange, Query, Replies};
use crate::error::{Error, Remedy, Result, Setting};
use crate::hf::tokenizer::Tokenizer;
use crate::model::cross_encoder::score;
use crate::nn::device::scalars;
use crate::nn::encoder::Pooling;
use crate::nn::packed::{Packed, Tokens};
use crate::seed::{Stream, derive};
use crate::watch::Watch;

/// What a score is compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Every pair by itself: is it a true answer?
    #[default]
    Binary,
    /// The true reply against its negatives.
    Listwise,
}

impl Loss {
    /// Mean loss of groups of `size` logits, the true reply's first, and its gradient.
    fn of(self, logits: &Tensor, size: usize) -> Result<(Tensor, Tensor)> {
        match self {
            Self::Listwise => losses::listwise(logits, size),
            Self::Binary => {
                let label = |i| if i % size == 0 { 1.0 } else { 0.0 };
                let labels: Vec<f32> = (0..logits.elem_count()).map(label).collect();
                losses::binary(logits, &labels)
            }
        }
    }
}

/// Settings of the task.
#[derive(Debug, Clone, Copy)]
pub struct CrossTaskSettings {
    /// The loss.
    pub loss: Loss,
    /// Longest pair, in tokens.
    pub max_length: usize,
    /// Negatives for each true reply.
    pub negatives: usize,
    /// Exchanges, each with its negatives, that go through the encoder at once.
    pub chunk_size: usize,
    /// Decides the validation's negatives.
    pub seed: u64,
}

/// Exchanges with the negatives to draw from.
pub struct Material {
    exchanges: Vec<Exchange>,
    contexts: Vec<Vec<String>>,
    replies: Replies,
    negatives: Negatives,
}

impl Material {
    /// Numbers the texts; none is mined yet.
    pub fn new(exchanges: Vec<Exchange>) -> Self {
        let mut replies = Replies::default();
        Self {
            contexts: exchanges.iter().map(dialogue::context).collect(),
            negatives: Negatives::new(&exchanges, &mut replies),
            replies,
            exchanges,
        }
    }

    /// The queries with their context.
    pub fn queries(&self) -> Vec<Query<'_>> {
        dialogue::queries(&self.exchanges, &self.contexts)
    }

    /// The replies, in the order of their numbers.
    pub fn replies(&self) -> &Replies {
        &self.replies
    }

    /// Where negatives come from.
    pub fn negatives(&self) -> &Negatives {
        &self.negatives
    }

    /// Whether the replies suffice for `count` negatives each.
    ///
    /// # Errors
    /// They do not.
    pub fn check(&self, count: usize) -> Result<()> {
        let distinct = self.negatives.pool as usize;
        if distinct > count {
            return Ok(());
        }
        Err(Error::too_few(
            format!(
                "{count} negatives for each true reply need more than the {distinct} distinct replies \
                 there are"
            ),
            Remedy::Change(Setting::Negatives, "a smaller").or("prepare a longer script"),
        ))
    }

    /// Keeps the hard negatives at `path`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&self, path: &Path) -> Result<()> {
        self.negatives.save(path, &self.exchanges, &self.replies)
    }

    /// Takes the hard negatives that were kept at `path`.
    ///
    /// # Errors
    /// The file cannot be read, or belongs to other exchanges.
    pub fn recall(&mut self, path: &Path) -> Result<()> {
        self.negatives.load(path, &self.exchanges, &self.replies)
    }

    /// Takes mined negatives, one list an exchange.
    pub fn set_mined(&mut self, mined: Vec<Vec<u32>>) {
        self.negatives.mined = mined;
    }

    /// The true reply of exchange `i`, then `count` negatives, by number.
    fn draw(&self, i: usize, count: usize, seed: u64) -> Vec<u32> {
        let mut replies = vec![self.negatives.truth[i]];
        replies.extend(self.negatives.draw(i, count, seed));
        replies
    }
}

/// Exchanges and replies as tokens, so that none is tokenised twice: steps pair them anew.
struct Words {
    /// Context and query of each exchange.
    turns: Vec<Vec<u32>>,
    /// The replies, by number.
    replies: Vec<Vec<u32>>,
}

impl Words {
    fn of(material: &Material, tokenizer: &Tokenizer) -> Result<Self> {
        let turns = material.queries().into_par_iter();
        let replies = material.replies.texts.par_iter();
        Ok(Self {
            turns: turns
                .map(|query| tokenizer.turns(query))
                .collect::<Result<_>>()?,
            replies: replies
                .map(|text| tokenizer.words(text))
                .collect::<Result<_>>()?,
        })
    }

    /// Exchange `i` with each of `replies`.
    fn pairs(
        &self,
        i: usize,
        replies: &[u32],
        tokenizer: &Tokenizer,
        max: usize,
    ) -> Result<Vec<Tokens>> {
        let pair =
            |&reply: &u32| tokenizer.join(&self.turns[i], &self.replies[reply as usize], max);
        replies.iter().map(pair).collect()
    }
}

/// Negatives beside each true reply in validation.
const VALIDATION_NEGATIVES: usize = 7;
/// Exchanges that are scored in one call.
const VALIDATION_GROUPS: usize = 32;

/// Query and reply read together, scored from the first token's state.
pub struct CrossTask<M> {
    model: M,
    tokenizer: Tokenizer,
    options: CrossTaskSettings,
    train: Material,
    words: Words,
    /// Pairs of every validation exchange, the true reply's first.
    valid: Vec<Vec<Tokens>>,
}

impl<M: Trainee> CrossTask<M> {
    /// A task; the validation's negatives are drawn here, once, and the training's anew at each
    /// step.
    ///
    /// # Errors
    /// There are too few distinct replies, the model has no head, or the tokenizer fails.
    pub fn new(
        model: M,
        tokenizer: Tokenizer,
        train: Material,
        valid: &Material,
        options: CrossTaskSettings,
    ) -> Result<Self> {
        train.check(options.negatives)?;
        let words = Words::of(valid, &tokenizer)?;
        let groups = (0..valid.exchanges.len()).map(|i| {
            let seed = derive(options.seed, Stream::Validation, i as u64);
            let replies = valid.draw(i, VALIDATION_NEGATIVES, seed);
            words.pairs(i, &replies, &tokenizer, options.max_length)
        });
        Ok(Self {
            valid: groups.collect::<Result<_>>()?,
            words: Words::of(&train, &tokenizer)?,
            model,
            tokenizer,
            options,
            train,
        })
    }
}

/// The error of a model that cannot score.
fn headless() -> Error {
    Error::Misuse("a cross-encoder needs a head".into())
}

impl<M: Trainee> Task for CrossTask<M> {
    fn model(&self) -> &dyn Trainee {
        &self.model
    }

    fn model_mut(&mut self) -> &mut dyn Trainee {
        &mut self.model
    }

    fn examples(&self) -> usize {
        self.train.exchanges.len()
    }

    fn accumulate(&mut self, batch: &[usize], seed: u64) -> Result<Tensor> {
        let size = 1 + self.options.negatives;
        let device = self.model.encoder().device().clone();
        let mut loss = Tensor::zeros((), scalars(&device), &device)?;
        for (part, chunk) in batch.chunks(self.options.chunk_size).enumerate() {
            let seed = derive(seed, Stream::Chunk, part as u64);
            let mut pairs = Vec::with_capacity(chunk.len() * size);
            for (place, &i) in chunk.iter().enumerate() {
                let seed = derive(seed, Stream::Step, place as u64);
                let replies = self.train.draw(i, self.options.negatives, seed);
                let max = self.options.max_length;
                pairs.extend(self.words.pairs(i, &replies, &self.tokenizer, max)?);
            }
            let encoder = self.model.encoder_mut();
            let pooled = encoder.forward(&Packed::new(&pairs), Pooling::First, Some(seed))?;
            let head = self.model.head_mut().ok_or_else(headless)?;
            let logits = head.forward(&pooled, Some(derive(seed, Stream::Head, 0)))?;
            let (mean, gradient) = self.options.loss.of(&logits, size)?;
            let share = chunk.len() as f64 / batch.len() as f64;
            let gradient = head.backward(&(gradient * share)?)?;
            self.model.encoder_mut().backward(&gradient)?;
            loss = (loss + (mean * share)?)?;
        }
        Ok(loss)
    }

    /// The rank of the true reply among itself and its fixed negatives.
    fn validate(&self, watch: &dyn Watch) -> Result<Validation> {
        let head = self.model.head().ok_or_else(headless)?;
        let (mut loss, mut ranks) = (0.0, 0.0);
        for groups in self.valid.chunks(VALIDATION_GROUPS) {
            watch.go_on()?;
            let scores = score(self.model.encoder(), head, &groups.concat())?;
            let mut rest = scores.as_slice();
            for group in groups {
                let (scores, others) = rest.split_at(group.len());
                rest = others;
                ranks += reciprocal_rank(scores, 0);
                let logits = Tensor::new(scores, &Device::Cpu)?;
                let (mean, _) = self.options.loss.of(&logits, scores.len())?;
                loss += mean.to_scalar::<f64>()?;
            }
        }
        let n = self.valid.len() as f64;
        Ok(Validation {
            loss: loss / n,
            score: ranks / n,
        })
    }
}
