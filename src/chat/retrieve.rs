//! The first stage: how candidates are found, and how many, where some were said already.

use super::candidate::Candidate;
use crate::dialogue::{Query, Said};
use crate::error::Result;
use crate::index::Entry;
use crate::model::bi_encoder::BiEncoder;

/// Whether the replies that were found, best first, are as many as are wanted.
pub(crate) type Enough<'a> = dyn Fn(&[(Entry, f32)]) -> bool + 'a;

/// The first stage: finds candidates among all replies.
pub trait Retrieve: Send + Sync {
    /// The `count` replies that fit best, best first, with their scores.
    ///
    /// # Errors
    /// The model or the index fails.
    fn retrieve(&self, query: Query<'_>, count: usize) -> Result<Vec<(Entry, f32)>>;

    /// The best replies, as many as `enough` wants: it is given those that were found and asked again with more
    /// until it is content or there are no more. `count` is where to begin.
    ///
    /// # Errors
    /// As [`Retrieve::retrieve`].
    fn retrieve_until(
        &self,
        query: Query<'_>,
        count: usize,
        enough: &Enough<'_>,
    ) -> Result<Vec<(Entry, f32)>> {
        until(count, enough, |count| self.retrieve(query, count))
    }

    /// The same for several queries, in whatever way is quickest.
    ///
    /// # Errors
    /// As [`Retrieve::retrieve`].
    fn retrieve_all(&self, queries: &[(Query<'_>, usize)]) -> Result<Vec<Vec<(Entry, f32)>>> {
        let each = queries.iter();
        each.map(|&(query, count)| self.retrieve(query, count))
            .collect()
    }

    /// Whether it has other replies now than when it was opened, or when this was last asked.
    fn renewed(&self) -> bool {
        false
    }

    /// The bi-encoder, if that is how it retrieves.
    fn bi_encoder(&self) -> Option<&BiEncoder> {
        None
    }
}

/// Asks `retrieve` for `count` and then ever more, until those that come are enough or all.
pub(super) fn until(
    mut count: usize,
    enough: &Enough<'_>,
    retrieve: impl Fn(usize) -> Result<Vec<(Entry, f32)>>,
) -> Result<Vec<(Entry, f32)>> {
    loop {
        let found = retrieve(count)?;
        if found.len() < count || enough(&found) {
            return Ok(found);
        }
        count = count.saturating_mul(4);
    }
}

/// How many to look for first, where some of those that were said may be among them: there are seldom as many as
/// were said.
pub(super) fn first_look(count: usize, said: &Said) -> usize {
    count.saturating_add(said.len().min(count.saturating_add(10)))
}

/// Where all that was found was said already, the place up to which half of it was said last.
fn oldest_half(found: &[(Entry, f32)], said: &Said) -> Option<usize> {
    let last = found.iter().map(|(entry, _)| said.last(&entry.text));
    let mut last: Vec<usize> = last.collect::<Option<_>>()?;
    last.sort_unstable();
    last.dedup();
    last.get(last.len().saturating_sub(1) / 2).copied()
}

/// Whether `count` of those that were found were not said.
pub(super) fn enough(found: &[(Entry, f32)], said: &Said, count: usize) -> bool {
    let fresh = found
        .iter()
        .filter(|(entry, _)| !said.contains(&entry.text));
    fresh.take(count).count() == count
}

/// The `count` best of `found` that were not said; where it is all that there is and was said, those that were
/// said longest ago.
pub(super) fn fresh(found: &[(Entry, f32)], said: &Said, count: usize) -> Vec<Candidate> {
    let forgotten = oldest_half(found, said);
    let candidates = found.iter().filter(|(entry, _)| {
        let last = said.last(&entry.text);
        last.is_none_or(|last| forgotten.is_some_and(|forgotten| last <= forgotten))
    });
    candidates
        .take(count)
        .enumerate()
        .map(|(rank, (entry, score))| Candidate {
            reply: entry.text.clone(),
            score: *score,
            retrieval: *score,
            rerank: None,
            rank_before: rank,
            origin: entry.origin.clone(),
            exchanges: entry.exchanges.clone(),
            reasons: Vec::new(),
        })
        .collect()
}
