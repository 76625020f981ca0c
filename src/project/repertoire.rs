//! Everything that a persona can say, and what it said it to.

use std::collections::{BTreeSet, HashMap};

use super::Project;
use crate::chat::Persona;
use crate::corpus::dataset::Dataset;
use crate::dialogue::{Query, Replies, Said};
use crate::error::Result;

/// A persona's distinct replies, each with what it answered.
pub(super) struct Repertoire {
    /// The replies.
    pub replies: Replies,
    answered: Vec<Answered>,
}

/// What a reply answered.
#[derive(Default)]
struct Answered {
    queries: BTreeSet<String>,
    exchanges: usize,
}

impl Repertoire {
    /// Reads it from the index; where the exchanges that the index was built from are still there, all of
    /// the queries, else the first of each reply.
    ///
    /// # Errors
    /// The model or the index fails.
    pub(super) fn of(persona: &Persona) -> Result<Self> {
        let anything = Query {
            context: &[],
            text: "?",
        };
        let project = persona.folder.as_ref().map(Project::new);
        let dataset = project
            .filter(|_| !persona.is_outdated())
            .and_then(|project| Dataset::load(&project.exchanges()).ok());
        let queries: HashMap<usize, &str> = dataset
            .iter()
            .flat_map(Dataset::exchanges)
            .map(|exchange| (exchange.id, exchange.query.text.as_str()))
            .collect();
        let mut all = Self {
            replies: Replies::default(),
            answered: Vec::new(),
        };
        for candidate in persona.retrieve(anything, &Said::default(), usize::MAX)? {
            let number = all.replies.number(&candidate.reply) as usize;
            if number == all.answered.len() {
                all.answered.push(Answered::default());
            }
            let Some(answered) = all.answered.get_mut(number) else {
                continue;
            };
            let first = candidate.origin.iter().map(|origin| &*origin.query.text);
            let others = candidate.exchanges.iter().filter_map(|id| queries.get(id));
            let both = first.chain(others.copied());
            answered.queries.extend(both.map(str::to_owned));
            answered.exchanges += candidate.exchanges.len();
        }
        Ok(all)
    }

    /// The distinct queries that a reply answered; none where it answered nobody or is not the persona's.
    pub(super) fn queries(&self, reply: &str) -> impl Iterator<Item = &str> {
        let answered = self.find(reply);
        answered
            .into_iter()
            .flat_map(|one| one.queries.iter().map(String::as_str))
    }

    /// How many exchanges a reply answers, if it is the persona's.
    pub(super) fn exchanges(&self, reply: &str) -> Option<usize> {
        self.find(reply).map(|one| one.exchanges)
    }

    fn find(&self, reply: &str) -> Option<&Answered> {
        self.answered.get(self.replies.find(reply)? as usize)
    }
}
