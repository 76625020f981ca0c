//! What everybody speaks of: turns, exchanges, queries, replies.

mod exchange;
mod judged;
mod query;
mod replies;
mod said;

pub use exchange::{Exchange, Turn, fingerprint};
pub use judged::{Grade, Judged, JudgedReply, read_judged, shares};
pub use query::{Query, context, queries};
pub use replies::Replies;
pub use said::Said;
