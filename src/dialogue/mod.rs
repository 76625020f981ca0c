//! What everybody speaks of: turns, exchanges, queries, replies.

mod exchange;
mod query;
mod replies;

pub use exchange::{Exchange, Turn, fingerprint};
pub use query::{Query, context, queries};
pub use replies::Replies;
