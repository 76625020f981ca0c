//! What everybody speaks of: turns, exchanges, queries, replies.

mod exchange;
mod judged;
mod query;
mod replies;
mod said;

pub(crate) use exchange::fingerprint;
pub use exchange::{Exchange, Turn};
pub use judged::{Grade, Judged, JudgedReply};
pub(crate) use judged::{read_judged, shares};
pub use query::Query;
pub(crate) use query::{context, queries};
pub(crate) use replies::Replies;
pub use said::Said;
