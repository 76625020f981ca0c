//! A character that answers: what the two stages make of a question.

use std::borrow::Cow;
use std::path::PathBuf;

use super::ask::Ask;
use super::candidate::{Answer, Candidate};
use super::decide::{Choice, MinScore, choose};
use super::retrieve::{Retrieve, enough, first_look, fresh};
use super::second_stage::SecondStage;
use crate::dialogue::{Query, Said};
use crate::error::{Error, Remedy, Result, Setting};
use crate::index::Entry;
use crate::text::vocative::without_call;

/// A character that answers. It can be shared between threads.
pub struct Persona {
    /// Who speaks.
    pub character: String,
    /// The folder that it lives in, if it came from disk.
    pub folder: Option<PathBuf>,
    /// The store that its replies are in, if they are beyond this machine: its address, without a password.
    pub store: Option<String>,
    /// Whether it is the one that comes with homer.
    pub built_in: bool,
    pub(crate) retriever: Box<dyn Retrieve>,
    pub(crate) second: Option<SecondStage>,
    pub(crate) calibrated: Option<f32>,
    pub(crate) outdated: bool,
    pub(crate) unjudged: bool,
}

impl Persona {
    /// A persona that finds its replies in a way of its own, and whose first find is its answer.
    pub fn new(character: impl Into<String>, retriever: impl Retrieve + 'static) -> Self {
        Self {
            character: character.into(),
            folder: None,
            store: None,
            built_in: false,
            retriever: Box::new(retriever),
            second: None,
            calibrated: None,
            outdated: false,
            unjudged: false,
        }
    }

    /// Whether the dialogue was prepared anew since the index was built.
    pub fn is_outdated(&self) -> bool {
        self.outdated
    }

    /// Whether other replies have taken the place of its own, as those of a store can: it should be opened
    /// again. Says so once.
    pub fn is_renewed(&self) -> bool {
        self.retriever.renewed()
    }

    /// Whether there is a cross-encoder that is left out because nobody has judged whether it helps
    /// this bi-encoder.
    pub fn has_unjudged_reranker(&self) -> bool {
        self.unjudged
    }

    /// The first half of an answer: the `count` replies that fit `query` best, best first, with their
    /// origins; where they are reranked, the likeliest to be liked of several times as many. What was `said`
    /// is left out, however it is written. Where nothing else is left, what was said longest ago is forgotten: the
    /// older half can be said again.
    ///
    /// # Errors
    /// A model or the index fails.
    pub fn retrieve(&self, query: Query<'_>, said: &Said, count: usize) -> Result<Vec<Candidate>> {
        let query = query.bounded();
        let text = self.looked_up(query.text);
        let asked = Query {
            text: &text,
            ..query
        };
        let reach = self.reach(count);
        let enough = |found: &[(Entry, f32)]| enough(found, said, reach);
        let first = first_look(reach, said);
        let found = self.retriever.retrieve_until(asked, first, &enough)?;
        Ok(self.sifted(query, fresh(&found, said, reach), count))
    }

    /// What is looked up where `text` is asked: that somebody calls the character by its name says nothing of what
    /// he wants to hear.
    pub(super) fn looked_up<'a>(&self, text: &'a str) -> Cow<'a, str> {
        without_call(text, &self.character)
    }

    /// How many replies are retrieved for `count` candidates.
    pub(crate) fn reach(&self, count: usize) -> usize {
        match &self.second {
            Some(second) => second.reach(count),
            None => count,
        }
    }

    /// What a candidate answered, if the second stage is told that.
    pub(crate) fn answered<'a>(&self, candidate: &'a Candidate) -> Option<&'a str> {
        self.second.as_ref()?.answered(candidate)
    }

    /// The `count` candidates among those that were `retrieved`, in their order.
    pub(crate) fn sifted(
        &self,
        query: Query<'_>,
        mut retrieved: Vec<Candidate>,
        count: usize,
    ) -> Vec<Candidate> {
        match &self.second {
            Some(second) => second.sift(query.bounded(), &mut retrieved, count),
            None => retrieved.truncate(count),
        }
        retrieved
    }

    /// The second half of an answer: puts the candidates in order, by the cross-encoder where there
    /// is one in use, and chooses.
    ///
    /// # Errors
    /// A model fails; `min_score` is automatic and the index was not calibrated.
    pub fn decide(
        &self,
        query: Query<'_>,
        mut candidates: Vec<Candidate>,
        choice: &Choice,
    ) -> Result<Answer> {
        let min_score = self.min_score(choice.min_score)?;
        let query = query.bounded();
        if let Some(second) = &self.second {
            second.order(query, &mut candidates)?;
        }
        let chosen = choose(&candidates, min_score, choice.temperature, choice.seed)?;
        Ok(Answer { candidates, chosen })
    }

    /// Answers `question`, said after `context` (oldest first): [`Persona::retrieve`], then
    /// [`Persona::decide`]. The models read the newest turn of the context and no other; nothing that
    /// was said, in the question, the context or by `said`, is said again, unless nothing else is left.
    ///
    /// # Errors
    /// As those two.
    pub fn answer(
        &self,
        context: &[String],
        question: &str,
        said: &[&str],
        choice: &Choice,
    ) -> Result<Answer> {
        // An impossible choice is refused before anything is embedded.
        self.min_score(choice.min_score)?;
        let ask = Ask {
            context,
            question,
            said,
            choice,
        };
        let query = ask.query();
        let candidates = self.retrieve(query, &ask.all_said(), choice.top_k)?;
        self.decide(query, candidates, choice)
    }

    fn min_score(&self, wanted: MinScore) -> Result<Option<f32>> {
        match wanted {
            MinScore::None => Ok(None),
            MinScore::Cosine(least) => Ok(Some(least)),
            MinScore::Auto => self.calibrated.map(Some).ok_or_else(|| {
                Error::setting(
                    "no least score was calibrated: there were too few validation exchanges",
                    Remedy::choose_like(Setting::MinScore, "0.3"),
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests;
