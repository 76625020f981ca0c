//! homer turns a dialogue script into a character you can talk to.
//!
//! It picks, out of everything the character ever said, the line that best answers what you just
//! said: a bi-encoder finds candidates, a cross-encoder puts the best of them in order.
//!
//! - [`chart`]: PNG charts; [`corpus`]: script → scenes → turns → exchanges.
//! - [`model`]: the encoder, the tokenizer, checkpoints, bi-encoder and cross-encoder.
//! - [`train`]: batches, losses, optimizer, schedule, loop, runs.
//! - [`distill`]: a small encoder made from a large one.
//! - [`index`]: every reply with its vector, on disk; the exact search in it.
//! - [`chat`]: the persona that answers, and the conversation with it.
//! - [`eval`]: how well all that picks the reply that was really given.
//! - [`builtin`]: what comes with homer.
//! - [`project`]: where everything lies; [`files`]: writing it safely; [`error`]: what went wrong.

pub mod builtin;
pub mod chart;
pub mod chat;
pub mod corpus;
pub mod distill;
pub mod error;
pub mod eval;
pub mod files;
pub mod index;
pub mod model;
pub mod project;
pub mod train;
