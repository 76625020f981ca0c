//! The character that answers: retrieve, rerank, choose; and the conversation with it.
//!
//! [`persona`] finds candidates (by what can [`retrieve`]) and answers, [`second_stage`] puts them in order, [`decide`] takes one of
//! them; [`stages`] are those that were trained. [`candidate`] is what was weighed, [`mod@ask`] has many
//! questions at once, [`conversation`] remembers what was said.
#![warn(clippy::indexing_slicing, clippy::string_slice)]

pub(crate) mod ask;
mod candidate;
pub(crate) mod conversation;
pub(crate) mod decide;
pub(crate) mod persona;
pub(crate) mod retrieve;
pub(crate) mod second_stage;
pub(crate) mod stages;

pub use ask::Ask;
pub use candidate::{Answer, Candidate};
pub use conversation::Conversation;
pub use decide::{Choice, MinScore};
pub use persona::Persona;
pub use retrieve::Retrieve;
