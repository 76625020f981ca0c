//! What is asked, and after what.

use super::Exchange;
use crate::text::cut::{LONGEST, last};

/// A query with the turns before it, as text.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Turns before the query, oldest first.
    pub context: &'a [String],
    /// The turn to answer.
    pub text: &'a str,
}

impl Query<'_> {
    /// The same of a text that is not longer than what is taken for one thing said: its end, which the models read
    /// too where they cannot read all.
    pub fn bounded(self) -> Self {
        Self {
            text: match self.text.len() > LONGEST {
                true => last(self.text, LONGEST),
                false => self.text,
            },
            ..self
        }
    }
}

/// The texts of an exchange's context, oldest first.
pub(crate) fn context(exchange: &Exchange) -> Vec<String> {
    let turns = exchange.context.iter();
    turns.map(|turn| turn.text.clone()).collect()
}

/// The queries of exchanges, given the [`context`] of each.
pub(crate) fn queries<'a>(
    exchanges: impl IntoIterator<Item = &'a Exchange>,
    contexts: &'a [Vec<String>],
) -> Vec<Query<'a>> {
    exchanges
        .into_iter()
        .zip(contexts)
        .map(|(exchange, context)| Query {
            context,
            text: &exchange.query.text,
        })
        .collect()
}
