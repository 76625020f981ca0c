//! What the bi-encoder learns: to put a query closest to its true reply, among all replies.

use candle_core::{Device, Tensor};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::embed::embed_all;
use super::losses;
use super::losses::{Ranking, RankingLoss};
use super::task::{Task, Trainee, Validation, reciprocal_rank};
use super::towers::Towers;
use crate::dialogue::{self, Exchange, Replies};
use crate::error::Result;
use crate::hf::tokenizer::{QueryTokens, Tokenizer};
use crate::model::bi_encoder::Embeddings;
use crate::model::query;
use crate::nn::encoder::{Encoder, Pooling};
use crate::nn::packed::{Packed, Tokens};
use crate::seed::{Stream, derive};
use crate::watch::Watch;

/// Settings of the task.
#[derive(Debug, Clone, Copy)]
pub struct BiTaskSettings {
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
    queries: Vec<QueryTokens>,
    replies: Vec<Tokens>,
    /// The reply of each query.
    truth: Vec<u32>,
    /// The replies that repeat the query or a turn of its context: nobody says again what was just
    /// said, so that they are no candidates.
    said: Vec<Vec<u32>>,
}

impl Pairs {
    fn new(exchanges: &[Exchange], tokenizer: &Tokenizer, max: usize) -> Result<Self> {
        let contexts: Vec<_> = exchanges.iter().map(dialogue::context).collect();
        let mut replies = Replies::default();
        let truth = exchanges.iter().map(|e| replies.number(&e.reply)).collect();
        let said = exchanges
            .iter()
            .map(|e| replies.said(e).collect())
            .collect();
        Ok(Self {
            said,
            queries: tokenizer.queries(&dialogue::queries(exchanges, &contexts), max)?,
            replies: tokenizer.texts(&replies.as_strs(), max)?,
            truth,
        })
    }

    fn reply(&self, i: usize) -> &Tokens {
        &self.replies[self.truth[i] as usize]
    }

    /// The words of the queries, the contexts that there are, and the replies of the exchanges
    /// numbered; and which of the queries each context stands before.
    fn packed(&self, numbers: &[usize]) -> (Packed, Vec<u32>) {
        let queries = || numbers.iter().map(|&i| &self.queries[i]);
        let owners = queries()
            .zip(0..)
            .filter_map(|(query, place)| query.context.as_ref().map(|_| place));
        let sequences = queries()
            .map(|query| &query.text)
            .chain(queries().filter_map(|query| query.context.as_ref()))
            .chain(numbers.iter().map(|&i| self.reply(i)));
        (Packed::new(sequences), owners.collect())
    }

    fn texts(&self, numbers: &[usize]) -> Vec<u32> {
        numbers.iter().map(|&i| self.truth[i]).collect()
    }
}

/// Mean-pooled query and reply, ranked within the batch.
pub struct BiTask<M> {
    model: M,
    options: BiTaskSettings,
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
        options: BiTaskSettings,
    ) -> Result<Self> {
        Ok(Self {
            model,
            train: Pairs::new(train, tokenizer, options.max_length)?,
            valid: Pairs::new(valid, tokenizer, options.max_length)?,
            options,
        })
    }

    /// The loss of `n` queries and their replies `[n, hidden]`.
    fn loss(&self, queries: &Tensor, replies: &Tensor, texts: &[u32]) -> Result<RankingLoss> {
        losses::ranking(queries, replies, texts, self.options.ranking)
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
        let encoder = self.model.encoder_mut();
        let chunks: Vec<(&[usize], u64)> = batch
            .chunks(self.options.chunk_size)
            .enumerate()
            .map(|(i, chunk)| (chunk, derive(seed, Stream::Chunk, i as u64)))
            .collect();
        let forward = |encoder: &mut dyn Encoder, (chunk, seed): &(&[usize], u64)| {
            let (packed, owners) = self.train.packed(chunk);
            let pooled = encoder.forward(&packed, Pooling::Mean, Some(*seed))?;
            Towers::of(&pooled, &owners)
        };
        let towers = chunks
            .iter()
            .map(|chunk| forward(encoder, chunk))
            .collect::<Result<Vec<Towers>>>()?;

        let queries: Vec<&Tensor> = towers.iter().map(|tower| &tower.queries).collect();
        let replies: Vec<&Tensor> = towers.iter().map(|tower| &tower.replies).collect();
        let texts = self.train.texts(batch);
        let result = self.loss(
            &Tensor::cat(&queries, 0)?,
            &Tensor::cat(&replies, 0)?,
            &texts,
        )?;

        let encoder = self.model.encoder_mut();
        let mut start = 0;
        for (chunk, towers) in chunks.iter().zip(&towers) {
            if chunks.len() > 1 {
                forward(encoder, chunk)?;
            }
            let part = |gradient: &Tensor| gradient.narrow(0, start, chunk.0.len());
            let gradient = towers.backward(&part(&result.queries)?, &part(&result.replies)?)?;
            encoder.backward(&gradient)?;
            start += chunk.0.len();
        }
        Ok(result.loss)
    }

    /// The rank of the true reply among all distinct validation replies, but for what was just said.
    fn validate(&self, watch: &dyn Watch) -> Result<Validation> {
        let encode =
            |sequences: &[Tokens]| embed_all(self.model.encoder(), sequences, |_| watch.go_on());
        let tensor = |all: Embeddings| {
            let shape = (all.len(), all.width);
            Tensor::from_vec(all.values, shape, &Device::Cpu)
        };
        let queries = tensor(query::embed(&self.valid.queries, encode)?)?;
        let replies = tensor(encode(&self.valid.replies)?)?;
        let candidates = replies.t()?;

        let mut order: Vec<u32> = (0..self.valid.queries.len() as u32).collect();
        let seed = derive(self.options.seed, Stream::Validation, 0);
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let (mut loss, mut ranks) = (0.0, 0.0);
        for batch in order.chunks(self.options.batch_size) {
            watch.go_on()?;
            let texts: Vec<u32> = batch
                .iter()
                .map(|&i| self.valid.truth[i as usize])
                .collect();
            let queries = queries.index_select(&Tensor::new(batch, &Device::Cpu)?, 0)?;
            let truths = Tensor::new(texts.as_slice(), &Device::Cpu)?;
            let truths = replies.index_select(&truths, 0)?;
            let mean: f64 = self.loss(&queries, &truths, &texts)?.loss.to_scalar()?;
            loss += mean * batch.len() as f64;
            let scores = queries.matmul(&candidates)?; // [batch, distinct]
            for (&i, mut scores) in batch.iter().zip(scores.to_vec2::<f32>()?) {
                for &said in &self.valid.said[i as usize] {
                    scores[said as usize] = f32::NEG_INFINITY;
                }
                let truth = self.valid.truth[i as usize] as usize;
                ranks += reciprocal_rank(&scores, |place| place == truth);
            }
        }
        let n = order.len() as f64;
        Ok(Validation {
            loss: loss / n,
            score: ranks / n,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::Turn;
    use crate::hf::testing::tiny_encoder_folder;
    use crate::model::bi_encoder::BiEncoder;
    use crate::nn::config::Family;
    use crate::nn::device::Compute;

    fn exchange(id: usize, before: &str, reply: &str) -> Exchange {
        let turn = |text: &str| Turn {
            speaker: String::new(),
            text: text.into(),
        };
        Exchange {
            id,
            scene: id,
            context: vec![turn(before)],
            query: turn("boat"),
            reply: reply.into(),
            close_replies: Vec::new(),
            good_replies: Vec::new(),
            bad_replies: Vec::new(),
        }
    }

    #[test]
    fn what_was_just_said_is_no_candidate_in_validation() {
        let folder = tempfile::tempdir().unwrap();
        tiny_encoder_folder(folder.path(), Family::Bert, &["boat", "pie", "hat"], 1).unwrap();
        let options = BiTaskSettings {
            ranking: Ranking {
                temperature: 0.05,
                both_directions: true,
            },
            max_length: 8,
            batch_size: 2,
            chunk_size: 2,
            seed: 1,
        };
        let mrr = |valid: &[Exchange]| {
            let model = BiEncoder::load(folder.path(), &Compute::Fast).unwrap();
            let tokenizer = model.tokenizer.clone();
            let task = BiTask::new(model, &tokenizer, valid, valid, options).unwrap();
            task.validate(&()).unwrap().score
        };
        // Each has said the other one's reply just before: nothing but its own is left.
        let said = [exchange(0, "Hat!", "pie"), exchange(1, "Pie.", "hat")];
        assert_eq!(mrr(&said), 1.0);
        // One query, two replies: only one of them can be ahead.
        let other = [exchange(0, "boat", "pie"), exchange(1, "boat", "hat")];
        assert_eq!(mrr(&other), 0.75);
    }
}
