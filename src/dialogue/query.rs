//! What is asked, and after what.

use super::Exchange;

/// A query with the turns before it, as text.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Turns before the query, oldest first.
    pub context: &'a [String],
    /// The turn to answer.
    pub text: &'a str,
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
