//! What puts the candidates that were found in order.

use super::candidate::Candidate;
use crate::dialogue::{Query, with_answered};
use crate::error::Result;
use crate::ranker::{LinearRanker, Seen, Sieve};

/// How many lines that were written as answers are read at most. Of those found by what they answer, one in five is good at
/// the third place and one in twenty from the tenth on.
const NEAREST: usize = 16;

/// The second stage: reads query and reply together.
pub(crate) trait Rerank: Send + Sync {
    /// A score for each reply; higher is better.
    ///
    /// # Errors
    /// The model fails.
    fn rerank(&self, query: Query<'_>, replies: &[&str]) -> Result<Vec<f32>>;
}

/// The second stage: a sieve, a cross-encoder that reads what it leaves, and what weighs its logits beside what
/// else a reader minds.
pub(crate) struct SecondStage {
    /// What is read of all that was retrieved.
    pub sieve: Sieve,
    /// The cross-encoder.
    pub cross: Box<dyn Rerank>,
    /// The weights.
    pub ranker: LinearRanker,
    /// Whether the cross-encoder is told what a line answered. It is where lines were written as answers and are found
    /// by what they answer: there the nearest are read, whatever they look like.
    pub told: bool,
}

impl SecondStage {
    /// Leaves the `count` candidates that are worth reading, in their order.
    pub(crate) fn sift(&self, query: Query<'_>, candidates: &mut Vec<Candidate>, count: usize) {
        candidates.truncate(self.reach(count));
        if self.told {
            return;
        }
        let lines = candidates
            .iter()
            .map(|one| (one.reply.as_str(), one.retrieval));
        let lines: Vec<(&str, f32)> = lines.collect();
        let mut kept = self.sieve.kept(query.text, &lines, count).into_iter();
        candidates.retain(|_| kept.next().unwrap_or_default());
    }

    /// How many are retrieved for `count` to be read.
    pub(crate) fn reach(&self, count: usize) -> usize {
        match self.told {
            true => count.min(NEAREST),
            false => Sieve::reach(count),
        }
    }

    /// What a candidate answered, if the cross-encoder is told that.
    pub(crate) fn answered<'a>(&self, candidate: &'a Candidate) -> Option<&'a str> {
        let origin = candidate.origin.as_ref().filter(|_| self.told)?;
        Some(&origin.query.text)
    }

    /// Scores the candidates, which stand as the first stage ranked them, and puts the best first; equals
    /// keep their order.
    ///
    /// # Errors
    /// The cross-encoder fails.
    pub(crate) fn order(&self, query: Query<'_>, candidates: &mut [Candidate]) -> Result<()> {
        let replies = candidates
            .iter()
            .map(|one| with_answered(self.answered(one), &one.reply));
        let replies: Vec<_> = replies.collect();
        let replies: Vec<&str> = replies.iter().map(AsRef::as_ref).collect();
        // What a line answers stands for itself, and that is how it learned to read it.
        let context: &[String] = if self.told { &[] } else { query.context };
        let read = Query { context, ..query };
        let logits = self.cross.rerank(read, &replies)?;
        for (candidate, logit) in candidates.iter_mut().zip(logits) {
            candidate.rerank = Some(logit);
        }
        let seen: Vec<Seen<'_>> = candidates.iter().map(Candidate::seen).collect();
        let explained = self.ranker.explained(query.text, &seen);
        for (candidate, (score, reasons)) in candidates.iter_mut().zip(explained) {
            candidate.score = score;
            candidate.reasons = reasons;
        }
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(())
    }
}
