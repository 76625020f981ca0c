//! What the cross-encoder learns: to score good answers above others, reading each together with
//! the query.

use candle_core::{Device, Tensor};

use super::cross_material::{self, Exchanges, Group};
use super::losses;
use super::task::{Task, Trainee, Validation, reciprocal_rank};
use crate::dialogue::{Exchange, Judged};
use crate::error::{Error, Result};
use crate::hf::tokenizer::Tokenizer;
use crate::model::cross_encoder::score;
use crate::nn::device::scalars;
use crate::nn::encoder::Pooling;
use crate::nn::host;
use crate::nn::packed::Packed;
use crate::seed::{Stream, derive};
use crate::watch::Watch;

/// Settings of the task.
#[derive(Debug, Clone, Copy)]
pub struct CrossTaskSettings {
    /// Longest pair, in tokens.
    pub max_length: usize,
    /// Negatives for each true reply.
    pub negatives: usize,
    /// Queries, each with its candidates, that go through the encoder at once.
    pub chunk_size: usize,
    /// Decides the validation's negatives.
    pub seed: u64,
}

/// Exchanges and, where there are any, judged messages.
pub struct Material<'a> {
    /// The exchanges.
    pub exchanges: Vec<Exchange>,
    /// The judged messages.
    pub judged: &'a [Judged],
    /// Answers that somebody liked, beside others.
    pub liked: &'a [Judged],
}

/// Examples of an epoch: the exchanges, or the judged messages, each beside an exchange.
pub(crate) fn examples(exchanges: usize, judged: usize) -> usize {
    match judged {
        0 => exchanges,
        judged => 2 * judged,
    }
}

/// Negatives beside each true reply in validation.
const VALIDATION_NEGATIVES: usize = 7;
/// Queries that are scored in one call.
const VALIDATION_GROUPS: usize = 32;
/// With fewer judged messages than this, validation is by exchanges.
const FEWEST_JUDGED: usize = 20;

/// Query and reply read together, scored from the first token's state.
pub struct CrossTask<M> {
    model: M,
    tokenizer: Tokenizer,
    options: CrossTaskSettings,
    exchanges: Exchanges,
    judged: Vec<Group>,
    liked: Vec<Group>,
    valid: Vec<Group>,
}

impl<M: Trainee> CrossTask<M> {
    /// A task. Negatives are drawn for validation here, once, and for training anew at each step.
    /// Enough judged messages validate by themselves: they are what is wanted.
    ///
    /// # Errors
    /// There are too few distinct replies, or the tokenizer fails.
    pub fn new(
        model: M,
        tokenizer: Tokenizer,
        train: Material<'_>,
        valid: Material<'_>,
        options: CrossTaskSettings,
    ) -> Result<Self> {
        let max = options.max_length;
        let exchanges = Exchanges::new(train.exchanges, &tokenizer)?;
        exchanges.check(options.negatives)?;
        let mut groups = cross_material::judged(valid.judged, &tokenizer, max)?;
        if groups.len() < FEWEST_JUDGED {
            let others = Exchanges::new(valid.exchanges, &tokenizer)?;
            for i in 0..others.count() {
                let seed = derive(options.seed, Stream::Validation, i as u64);
                groups.push(others.group(i, VALIDATION_NEGATIVES, seed, &tokenizer, max)?);
            }
        }
        Ok(Self {
            judged: cross_material::judged(train.judged, &tokenizer, max)?,
            liked: cross_material::judged(train.liked, &tokenizer, max)?,
            valid: groups,
            exchanges,
            model,
            tokenizer,
            options,
        })
    }

    /// Example `i`, with negatives drawn by `seed`. Where messages are judged, every other example is one,
    /// and an exchange drawn by the seed stands beside it. What was liked comes behind them.
    fn group(&self, i: usize, seed: u64) -> Result<Group> {
        let before = examples(self.exchanges.count(), self.judged.len());
        if let Some(liked) = i.checked_sub(before) {
            return Ok(self.liked[liked].clone());
        }
        let exchange = match self.judged.len() {
            0 => i,
            _ if i.is_multiple_of(2) => return Ok(self.judged[i / 2].clone()),
            _ => (seed % self.exchanges.count() as u64) as usize,
        };
        let CrossTaskSettings {
            negatives,
            max_length,
            ..
        } = self.options;
        let seed = derive(seed, Stream::Step, 0);
        self.exchanges
            .group(exchange, negatives, seed, &self.tokenizer, max_length)
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
        examples(self.exchanges.count(), self.judged.len()) + self.liked.len()
    }

    fn accumulate(&mut self, batch: &[usize], seed: u64) -> Result<Tensor> {
        let device = self.model.encoder().device().clone();
        let mut loss = Tensor::zeros((), scalars(&device), &device)?;
        for (part, chunk) in batch.chunks(self.options.chunk_size).enumerate() {
            let seed = derive(seed, Stream::Chunk, part as u64);
            let mut pairs = Vec::new();
            let mut shares = Vec::with_capacity(chunk.len());
            for (place, &i) in chunk.iter().enumerate() {
                let group = self.group(i, derive(seed, Stream::Step, place as u64))?;
                pairs.extend(group.pairs);
                shares.push(group.shares);
            }
            let encoder = self.model.encoder_mut();
            let pooled = encoder.forward(&Packed::new(&pairs), Pooling::First, Some(seed))?; // [n, h]
            let head = self.model.head_mut().ok_or_else(headless)?;
            let logits = head.forward(&pooled, Some(derive(seed, Stream::Head, 0)))?; // [n]
            let (mean, gradient) = losses::listwise(&logits, &shares)?;
            let share = chunk.len() as f64 / batch.len() as f64;
            let gradient = head.backward(&(gradient * share)?)?; // [n, h]
            self.model.encoder_mut().backward(&gradient)?;
            loss = (loss + (mean * share)?)?;
        }
        Ok(loss)
    }

    /// The rank of the best of the candidates that deserve most, within each group.
    fn validate(&self, watch: &dyn Watch) -> Result<Validation> {
        let head = self.model.head().ok_or_else(headless)?;
        let (mut loss, mut ranks) = (0.0, 0.0);
        for groups in self.valid.chunks(VALIDATION_GROUPS) {
            watch.go_on()?;
            let pairs: Vec<_> = groups
                .iter()
                .flat_map(|group| group.pairs.clone())
                .collect();
            let scores = score(self.model.encoder(), head, &pairs)?;
            let mut rest = scores.as_slice();
            for group in groups {
                let (scores, others) = rest.split_at(group.pairs.len());
                rest = others;
                let most = group.shares.iter().copied().fold(0.0, f32::max);
                ranks += reciprocal_rank(scores, |place| group.shares[place] == most);
                let logits = Tensor::new(scores, &Device::Cpu)?;
                let (mean, _) = losses::listwise(&logits, std::slice::from_ref(&group.shares))?;
                let [mean] = host::numbers([&mean])?;
                loss += mean;
            }
        }
        let n = self.valid.len() as f64;
        Ok(Validation {
            loss: loss / n,
            score: ranks / n,
        })
    }
}
