//! What everybody speaks of: turns, exchanges, queries, replies.
#![warn(clippy::indexing_slicing, clippy::string_slice)]

mod exchange;
mod feedback;
mod judged;
mod query;
mod replies;
mod said;

pub use exchange::{Exchange, Turn};
pub(crate) use exchange::{fingerprint, sample};
pub(crate) use feedback::read_feedback;
pub use feedback::{Feedback, Opinion, Verdict};
pub use judged::{Grade, Judged, JudgedReply, read_judged};
pub(crate) use judged::{shares, with_answered};
pub use query::Query;
pub(crate) use query::{context, queries};
pub(crate) use replies::Replies;
pub use said::Said;
