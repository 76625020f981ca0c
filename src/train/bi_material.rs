//! What the bi-encoder learns from: exchanges as tokens, and what somebody thought of answers.

use std::collections::HashMap;

use super::sequences::Sequences;
use crate::dialogue::{self, Exchange, Opinion, Replies};
use crate::error::Result;
use crate::hf::tokenizer::{QueryTokens, Tokenizer};
use crate::nn::packed::{Packed, Tokens};

/// Texts that are tokenised at a time.
const BLOCK: usize = 1 << 14;

/// Exchanges as tokens; equal replies share one entry.
#[derive(Default)]
pub(super) struct Pairs {
    queries: Sequences,
    /// The turn before each query; empty where there is none.
    contexts: Sequences,
    replies: Sequences,
    /// The reply of each query.
    pub(super) truth: Vec<u32>,
    /// Replies that somebody disliked as answers to a query.
    disliked: HashMap<usize, Vec<u32>>,
}

/// The sequences of a batch, and what they are.
pub(super) struct Batch {
    /// The words of the queries, the contexts that there are, the true replies, the disliked ones.
    pub(super) packed: Packed,
    /// Which of the queries each context stands before.
    pub(super) owners: Vec<u32>,
    /// The numbers of the true replies.
    pub(super) texts: Vec<u32>,
    /// The numbers of the disliked ones.
    pub(super) disliked: Vec<u32>,
}

impl Pairs {
    /// Tokenises exchanges, which are dropped as they are, and as many more as there are answers that somebody
    /// liked.
    pub(super) fn new(
        exchanges: Vec<Exchange>,
        feedback: &[Opinion],
        tokenizer: &Tokenizer,
        max: usize,
    ) -> Result<Self> {
        let liked: Vec<Exchange> = feedback.iter().flat_map(Opinion::exchanges).collect();
        let mut replies = Replies::default();
        let before = exchanges.len();
        let mut pairs = Self::default();
        let mut all = exchanges.into_iter().chain(liked);
        loop {
            let block: Vec<Exchange> = all.by_ref().take(BLOCK).collect();
            if block.is_empty() {
                break;
            }
            let numbers = block.iter().map(|e| replies.number(&e.reply));
            pairs.truth.extend(numbers);
            let contexts: Vec<_> = block.iter().map(dialogue::context).collect();
            for query in tokenizer.queries(&dialogue::queries(&block, &contexts), max)? {
                pairs.queries.push(&query.text.ids);
                let context = query.context.map(|context| context.ids);
                pairs.contexts.push(&context.unwrap_or_default());
            }
        }
        let opinions = feedback
            .iter()
            .flat_map(|opinion| opinion.liked.iter().map(move |_| opinion));
        pairs.disliked = opinions
            .zip(before..)
            .filter(|(opinion, _)| !opinion.disliked.is_empty())
            .map(|(opinion, place)| {
                let disliked = opinion.disliked.iter();
                (place, disliked.map(|text| replies.number(text)).collect())
            })
            .collect();
        for block in replies.as_strs().chunks(BLOCK) {
            for reply in tokenizer.texts(block, max)? {
                pairs.replies.push(&reply.ids);
            }
        }
        for sequences in [&mut pairs.queries, &mut pairs.contexts, &mut pairs.replies] {
            sequences.shrink();
        }
        Ok(pairs)
    }

    /// How many pairs there are.
    pub(super) fn len(&self) -> usize {
        self.queries.len()
    }

    /// The turn before query `i`, if there is one.
    fn context(&self, i: usize) -> Option<Tokens> {
        Some(self.contexts.text(i)).filter(|tokens| tokens.len() > 0)
    }

    /// All queries, as an encoder reads them.
    pub(super) fn queries(&self) -> Vec<QueryTokens> {
        let query = |i| QueryTokens {
            text: self.queries.text(i),
            context: self.context(i),
        };
        (0..self.len()).map(query).collect()
    }

    /// All distinct replies, as an encoder reads them.
    pub(super) fn replies(&self) -> Vec<Tokens> {
        (0..self.replies.len())
            .map(|i| self.replies.text(i))
            .collect()
    }

    /// The exchanges numbered.
    pub(super) fn batch(&self, numbers: &[usize]) -> Batch {
        let (owners, contexts): (Vec<u32>, Vec<Tokens>) = numbers
            .iter()
            .zip(0..)
            .filter_map(|(&i, place)| Some((place, self.context(i)?)))
            .unzip();
        let texts: Vec<u32> = numbers.iter().map(|&i| self.truth[i]).collect();
        let disliked: Vec<u32> = numbers
            .iter()
            .filter_map(|i| self.disliked.get(i))
            .flatten()
            .copied()
            .collect();
        let replies = texts.iter().chain(&disliked);
        let queries = numbers.iter().map(|&i| self.queries.text(i));
        let replies = replies.map(|&reply| self.replies.text(reply as usize));
        let sequences: Vec<Tokens> = queries.chain(contexts).chain(replies).collect();
        Batch {
            packed: Packed::new(&sequences),
            owners,
            texts,
            disliked,
        }
    }
}
