//! The character that answers: retrieve, rerank, choose; and the conversation with it.
//!
//! [`persona`] puts the stages together, [`stages`] are those that were trained, [`decide`] takes one
//! of the ranked candidates, [`mod@ask`] has many questions at once, [`conversation`] remembers what
//! was said.

pub(crate) mod ask;
pub(crate) mod conversation;
pub(crate) mod decide;
pub(crate) mod persona;
pub(crate) mod stages;

pub use ask::Ask;
pub use conversation::Conversation;
pub use decide::{Choice, MinScore};
pub use persona::{Answer, Candidate, Persona, Retrieve};
