//! What the bi-encoder learns: to put a query closest to its true reply, among all replies.

use std::sync::atomic::AtomicBool;

use candle_core::{Device, Tensor};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::batches::{Stream, derive};
use super::embed::embed_all;
use super::losses::{self, Ranking, RankingLoss, Side};
use super::task::{Task, Trainee, Validation, go_on, reciprocal_rank};
use super::texts::{self, Replies};
use crate::corpus::exchange::Exchange;
use crate::error::Result;
use crate::model::encoder::Pooling;
use crate::model::packed::{Packed, Tokens};
use crate::model::tokenizer::Tokenizer;

/// Settings of the task.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How queries and replies are compared.
    pub ranking: Ranking,
    /// Longest sequence, in tokens.
    pub max_length: usize,
    /// Pairs in the loss; validation uses batches of this size too.
    pub batch_size: usize,
    /// Pairs that go through the encoder at once.
    pub chunk_size: usize,
    /// Decides the validation's batches.
    pub seed: u64,
}

/// Exchanges as tokens; equal replies share one entry.
struct Pairs {
    queries: Vec<Tokens>,
    replies: Vec<Tokens>,
    /// The reply of each query.
    truth: Vec<u32>,
}

impl Pairs {
    fn new(exchanges: &[Exchange], tokenizer: &Tokenizer, max: usize) -> Result<Self> {
        let contexts: Vec<_> = exchanges.iter().map(texts::context).collect();
        let mut replies = Replies::default();
        let truth = exchanges.iter().map(|e| replies.number(&e.reply)).collect();
        Ok(Self {
            queries: tokenizer.queries(&texts::queries(exchanges, &contexts), max)?,
            replies: tokenizer.texts(&replies.as_strs(), max)?,
            truth,
        })
    }

    fn reply(&self, i: usize) -> &Tokens {
        &self.replies[self.truth[i] as usize]
    }

    /// Queries, then replies, of the exchanges numbered.
    fn packed(&self, numbers: &[usize]) -> Packed {
        let queries = numbers.iter().map(|&i| &self.queries[i]);
        Packed::new(queries.chain(numbers.iter().map(|&i| self.reply(i))))
    }

    fn texts(&self, numbers: &[usize]) -> Vec<u32> {
        numbers.iter().map(|&i| self.truth[i]).collect()
    }
}

/// Mean-pooled query and reply, ranked within the batch.
pub struct BiTask<M> {
    model: M,
    options: Options,
    train: Pairs,
    valid: Pairs,
}

impl<M: Trainee> BiTask<M> {
    /// Tokenises everything, once.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn new(
        model: M,
        tokenizer: &Tokenizer,
        train: &[Exchange],
        valid: &[Exchange],
        options: Options,
    ) -> Result<Self> {
        Ok(Self {
            model,
            train: Pairs::new(train, tokenizer, options.max_length)?,
            valid: Pairs::new(valid, tokenizer, options.max_length)?,
            options,
        })
    }

    /// The loss of pooled states: `n` queries, then `n` replies `[2n, hidden]`.
    fn loss(&self, pooled: &Tensor, texts: &[u32]) -> Result<RankingLoss> {
        let n = texts.len();
        let replies = Side {
            vectors: &pooled.narrow(0, n, n)?,
            texts,
        };
        losses::ranking(
            &pooled.narrow(0, 0, n)?,
            replies,
            None,
            self.options.ranking,
        )
    }
}

impl<M: Trainee> Task for BiTask<M> {
    fn model(&self) -> &dyn Trainee {
        &self.model
    }

    fn model_mut(&mut self) -> &mut dyn Trainee {
        &mut self.model
    }

    fn examples(&self) -> usize {
        self.train.queries.len()
    }

    /// Batches larger than a chunk go through the encoder twice (gradient caching, Gao et al.,
    /// 2021): once for the states that the loss compares, once, with the same dropout, for the
    /// gradients that follow from it. Memory is that of a chunk.
    fn accumulate(&mut self, batch: &[usize], seed: u64) -> Result<Tensor> {
        let texts = self.train.texts(batch);
        let encoder = self.model.encoder_mut();
        if batch.len() <= self.options.chunk_size {
            let packed = self.train.packed(batch);
            let pooled = encoder.forward(&packed, Pooling::Mean, Some(seed))?;
            let result = self.loss(&pooled, &texts)?;
            let gradient = Tensor::cat(&[result.queries, result.replies], 0)?;
            self.model.encoder_mut().backward(&gradient)?;
            return Ok(result.loss);
        }
        let chunks: Vec<(&[usize], u64)> = batch
            .chunks(self.options.chunk_size)
            .enumerate()
            .map(|(i, chunk)| (chunk, derive(seed, Stream::Chunk, i as u64)))
            .collect();
        let (mut queries, mut replies) = (Vec::new(), Vec::new());
        for (chunk, seed) in &chunks {
            let packed = self.train.packed(chunk);
            let pooled = encoder.forward(&packed, Pooling::Mean, Some(*seed))?;
            queries.push(pooled.narrow(0, 0, chunk.len())?);
            replies.push(pooled.narrow(0, chunk.len(), chunk.len())?);
        }
        queries.append(&mut replies);
        let result = self.loss(&Tensor::cat(&queries, 0)?, &texts)?;
        let encoder = self.model.encoder_mut();
        let mut start = 0;
        for (chunk, seed) in &chunks {
            let packed = self.train.packed(chunk);
            encoder.forward(&packed, Pooling::Mean, Some(*seed))?;
            let part = |side: &Tensor| side.narrow(0, start, chunk.len());
            let gradient = Tensor::cat(&[part(&result.queries)?, part(&result.replies)?], 0)?;
            encoder.backward(&gradient)?;
            start += chunk.len();
        }
        Ok(result.loss)
    }

    /// The rank of the true reply among all distinct validation replies.
    fn validate(&self, interrupt: &AtomicBool) -> Result<Validation> {
        let encode = |sequences: &[Tokens]| -> Result<Tensor> {
            let all = embed_all(self.model.encoder(), sequences, interrupt, |_| {})?;
            let shape = (all.len(), all.width);
            Ok(Tensor::from_vec(all.values, shape, &Device::Cpu)?)
        };
        let queries = encode(&self.valid.queries)?;
        let replies = encode(&self.valid.replies)?;
        let candidates = replies.t()?;

        let mut order: Vec<u32> = (0..self.valid.queries.len() as u32).collect();
        let seed = derive(self.options.seed, Stream::Validation, 0);
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let (mut loss, mut ranks) = (0.0, 0.0);
        for batch in order.chunks(self.options.batch_size) {
            go_on(interrupt)?;
            let texts: Vec<u32> = batch
                .iter()
                .map(|&i| self.valid.truth[i as usize])
                .collect();
            let queries = queries.index_select(&Tensor::new(batch, &Device::Cpu)?, 0)?;
            let truths = Tensor::new(texts.as_slice(), &Device::Cpu)?;
            let pooled = Tensor::cat(&[&queries, &replies.index_select(&truths, 0)?], 0)?;
            let mean: f64 = self.loss(&pooled, &texts)?.loss.to_scalar()?;
            loss += mean * batch.len() as f64;
            let scores = queries.matmul(&candidates)?; // [batch, distinct]
            for (scores, &truth) in scores.to_vec2::<f32>()?.iter().zip(&texts) {
                ranks += reciprocal_rank(scores, truth as usize);
            }
        }
        let n = order.len() as f64;
        Ok(Validation {
            loss: loss / n,
            mrr: ranks / n,
        })
    }
}
