//! What the bi-encoder learns: to put a query closest to its true reply, among all replies.

use candle_core::{Device, Tensor};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::bi_material::{Batch, Pairs};
use super::embed::embed_all;
use super::losses;
use super::losses::{Ranking, RankingLoss};
use super::sequences::Sequences;
use super::task::{Task, Trainee, Validation, reciprocal_rank};
use super::towers::Towers;
use crate::dialogue::{Exchange, Opinion, Replies};
use crate::error::Result;
use crate::hf::tokenizer::Tokenizer;
use crate::model::bi_encoder::Embeddings;
use crate::model::query;
use crate::nn::encoder::{Encoder, Pooling};
use crate::nn::host;
use crate::nn::packed::Tokens;
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

/// Mean-pooled query and reply, ranked within the batch.
pub struct BiTask<M> {
    model: M,
    options: BiTaskSettings,
    train: Pairs,
    valid: Pairs,
    /// Of each validation pair the replies that repeat the query or a turn of its context: nobody says again
    /// what was just said, so that they are no candidates.
    said: Sequences,
}

/// The [`BiTask::said`] of validation exchanges.
fn said(exchanges: &[Exchange]) -> Sequences {
    let mut replies = Replies::default();
    for exchange in exchanges {
        replies.number(&exchange.reply);
    }
    let mut said = Sequences::default();
    for exchange in exchanges {
        said.push(&replies.said(exchange).collect::<Vec<_>>());
    }
    said
}

impl<M: Trainee> BiTask<M> {
    /// Tokenises everything, once. What somebody liked is learned from as the exchanges are; what they
    /// disliked is a negative for its batch.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn new(
        model: M,
        tokenizer: &Tokenizer,
        train: Vec<Exchange>,
        feedback: &[Opinion],
        valid: Vec<Exchange>,
        options: BiTaskSettings,
    ) -> Result<Self> {
        Ok(Self {
            model,
            train: Pairs::new(train, feedback, tokenizer, options.max_length)?,
            said: said(&valid),
            valid: Pairs::new(valid, &[], tokenizer, options.max_length)?,
            options,
        })
    }

    /// The loss of queries `[n, hidden]` and replies `[n + x, hidden]`.
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
        self.train.len()
    }

    /// Batches larger than a chunk go through the encoder twice (gradient caching, Gao et al.,
    /// 2021): once for the states that the loss compares, once, with the same dropout, for the
    /// gradients that follow from it. Memory is that of a chunk.
    fn accumulate(&mut self, batch: &[usize], seed: u64) -> Result<Tensor> {
        let encoder = self.model.encoder_mut();
        let chunks: Vec<(Batch, u64)> = batch
            .chunks(self.options.chunk_size)
            .enumerate()
            .map(|(i, chunk)| {
                let seed = derive(seed, Stream::Chunk, i as u64);
                (self.train.batch(chunk), seed)
            })
            .collect();
        let forward = |encoder: &mut dyn Encoder, (batch, seed): &(Batch, u64)| {
            let pooled = encoder.forward(&batch.packed, Pooling::Mean, Some(*seed))?;
            Towers::of(&pooled, batch.texts.len(), &batch.owners)
        };
        let towers = chunks
            .iter()
            .map(|chunk| forward(encoder, chunk))
            .collect::<Result<Vec<Towers>>>()?;

        let queries: Vec<&Tensor> = towers.iter().map(|tower| &tower.queries).collect();
        // The true replies of all chunks, then what was disliked.
        let mut replies = Vec::new();
        for (tower, (batch, _)) in towers.iter().zip(&chunks) {
            replies.push(tower.replies.narrow(0, 0, batch.texts.len())?);
        }
        for (tower, (batch, _)) in towers.iter().zip(&chunks) {
            let disliked = batch.disliked.len();
            replies.push(tower.replies.narrow(0, batch.texts.len(), disliked)?);
        }
        let texts: Vec<u32> = chunks
            .iter()
            .flat_map(|(batch, _)| &batch.texts)
            .chain(chunks.iter().flat_map(|(batch, _)| &batch.disliked))
            .copied()
            .collect();
        let result = self.loss(
            &Tensor::cat(&queries, 0)?,
            &Tensor::cat(&replies, 0)?,
            &texts,
        )?;

        let encoder = self.model.encoder_mut();
        let (mut start, mut other) = (0, batch.len());
        for (chunk, towers) in chunks.iter().zip(&towers) {
            if chunks.len() > 1 {
                forward(encoder, chunk)?;
            }
            let (n, x) = (chunk.0.texts.len(), chunk.0.disliked.len());
            let replies = Tensor::cat(
                &[
                    result.replies.narrow(0, start, n)?,
                    result.replies.narrow(0, other, x)?,
                ],
                0,
            )?;
            let gradient = towers.backward(&result.queries.narrow(0, start, n)?, &replies)?;
            encoder.backward(&gradient)?;
            (start, other) = (start + n, other + x);
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
        let queries = tensor(query::embed(&self.valid.queries(), encode)?)?;
        let replies = tensor(encode(&self.valid.replies())?)?;
        let candidates = replies.t()?;

        let mut order: Vec<u32> = (0..self.valid.len() as u32).collect();
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
            let [mean] = host::numbers([&self.loss(&queries, &truths, &texts)?.loss])?;
            loss += mean * batch.len() as f64;
            let scores = queries.matmul(&candidates)?; // [batch, distinct]
            let mut scores = host::values(&scores)?;
            let rows = scores.chunks_mut(replies.dim(0)?);
            for (&i, scores) in batch.iter().zip(rows) {
                for &said in self.said.get(i as usize) {
                    scores[said as usize] = f32::NEG_INFINITY;
                }
                let truth = self.valid.truth[i as usize] as usize;
                ranks += reciprocal_rank(scores, |place| place == truth);
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
            let task = BiTask::new(
                model,
                &tokenizer,
                valid.to_vec(),
                &[],
                valid.to_vec(),
                options,
            )
            .unwrap();
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
