//! A reply that is weighed, and an answer: the replies that were, and which was chosen.

use serde::Serialize;

use crate::index::Origin;
use crate::ranker::Seen;

/// A reply that was considered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The reply.
    pub reply: String,
    /// The score that decides.
    pub score: f32,
    /// The bi-encoder's score: the cosine with the reply, or, where the index knows what the reply
    /// answered, the mean of that and of the cosines with those queries.
    pub retrieval: f32,
    /// The cross-encoder's logit, if it was asked.
    pub rerank: Option<f32>,
    /// Position among all that were retrieved, before reranking, from 0.
    pub rank_before: usize,
    /// The first exchange that the reply comes from; none for a line that answers nobody.
    pub origin: Option<Origin>,
    /// The ids of all exchanges that it comes from.
    pub exchanges: Vec<usize>,
    /// What the second stage saw in it, beside the mean of all candidates, the weightiest first.
    #[serde(serialize_with = "as_map")]
    pub reasons: Vec<(&'static str, f32)>,
}

/// Reasons as one reads them: `{"echo": -0.5, …}`.
fn as_map<S: serde::Serializer>(
    reasons: &[(&'static str, f32)],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(reasons.iter().copied())
}

impl Candidate {
    /// What the second stage's weights look at.
    pub(super) fn seen(&self) -> Seen<'_> {
        Seen {
            reply: &self.reply,
            retrieval: self.retrieval,
            cross: self.rerank.unwrap_or_default(),
        }
    }
}

/// What a persona has to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Every candidate, best first.
    pub candidates: Vec<Candidate>,
    /// Which of them is the answer; `None` where none is good enough.
    pub chosen: Option<usize>,
}

impl Answer {
    /// The candidate that was chosen.
    pub fn candidate(&self) -> Option<&Candidate> {
        self.chosen.and_then(|i| self.candidates.get(i))
    }

    /// The answer.
    pub fn text(&self) -> Option<&str> {
        self.candidate().map(|candidate| candidate.reply.as_str())
    }
}
