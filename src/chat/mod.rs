//! The character that answers: retrieve, rerank, choose; and the conversation with it.
//!
//! [`persona`] puts the stages together, [`stages`] are those that were trained, [`choose`] takes one of the
//! ranked candidates, [`conversation`] remembers what was said.

pub mod choose;
pub mod conversation;
pub mod persona;
pub mod stages;

pub use choose::{Choice, MinScore};
pub use conversation::Conversation;
pub use persona::{Answer, Candidate, Persona};
