//! What the bi-encoder learns from: exchanges as tokens, and what somebody thought of answers.

use std::collections::HashMap;

use crate::dialogue::{self, Exchange, Opinion, Replies};
use crate::error::Result;
use crate::hf::tokenizer::{QueryTokens, Tokenizer};
use crate::nn::packed::{Packed, Tokens};

/// Exchanges as tokens; equal replies share one entry.
pub(super) struct Pairs {
    pub(super) queries: Vec<QueryTokens>,
    pub(super) replies: Vec<Tokens>,
    /// The reply of each query.
    pub(super) truth: Vec<u32>,
    /// The replies that repeat the query or a turn of its context: nobody says again what was just
    /// said, so that they are no candidates.
    pub(super) said: Vec<Vec<u32>>,
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
    /// Tokenises exchanges, and as many more as there are answers that somebody liked.
    pub(super) fn new(
        exchanges: &[Exchange],
        feedback: &[Opinion],
        tokenizer: &Tokenizer,
        max: usize,
    ) -> Result<Self> {
        let liked: Vec<Exchange> = feedback.iter().flat_map(Opinion::exchanges).collect();
        let all = || exchanges.iter().chain(&liked);
        let contexts: Vec<_> = all().map(dialogue::context).collect();
        let mut replies = Replies::default();
        let truth = all().map(|e| replies.number(&e.reply)).collect();
        let said = all().map(|e| replies.said(e).collect()).collect();
        let opinions = feedback
            .iter()
            .flat_map(|opinion| opinion.liked.iter().map(move |_| opinion));
        let disliked = opinions
            .zip(exchanges.len()..)
            .filter(|(opinion, _)| !opinion.disliked.is_empty())
            .map(|(opinion, place)| {
                let disliked = opinion.disliked.iter();
                (place, disliked.map(|text| replies.number(text)).collect())
            })
            .collect();
        Ok(Self {
            said,
            queries: tokenizer.queries(&dialogue::queries(all(), &contexts), max)?,
            replies: tokenizer.texts(&replies.as_strs(), max)?,
            truth,
            disliked,
        })
    }

    /// The exchanges numbered.
    pub(super) fn batch(&self, numbers: &[usize]) -> Batch {
        let queries = || numbers.iter().map(|&i| &self.queries[i]);
        let owners = queries()
            .zip(0..)
            .filter_map(|(query, place)| query.context.as_ref().map(|_| place))
            .collect();
        let texts: Vec<u32> = numbers.iter().map(|&i| self.truth[i]).collect();
        let disliked: Vec<u32> = numbers
            .iter()
            .filter_map(|i| self.disliked.get(i))
            .flatten()
            .copied()
            .collect();
        let replies = texts.iter().chain(&disliked);
        let sequences = queries()
            .map(|query| &query.text)
            .chain(queries().filter_map(|query| query.context.as_ref()))
            .chain(replies.map(|&reply| &self.replies[reply as usize]));
        Batch {
            packed: Packed::new(sequences),
            owners,
            texts,
            disliked,
        }
    }
}
