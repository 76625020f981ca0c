//! The character that answers: retrieve, rerank, choose; and the conversation with it.
//!
//! [`persona`] puts the stages together, [`stages`] are those that were trained, [`decide`] takes one
//! of the ranked candidates, [`mod@ask`] has many questions at once, [`conversation`] remembers what
//! was said.

pub mod ask;
pub mod conversation;
pub mod decide;
pub mod persona;
pub mod stages;

pub use ask::Ask;
pub use conversation::Conversation;
pub use decide::{Choice, MinScore};
pub use persona::{Answer, Candidate, Persona};
