//! homer turns a dialogue script into a character you can talk to.
//!
//! It picks, out of everything the character ever said, the line that best answers what you just
//! said: a bi-encoder finds candidates, a cross-encoder puts the best of them in order.
//!
//! Imports run downwards only; from the bottom up:
//!
//! - [`error`], [`files`], [`fingerprint`], [`seed`], [`watch`]: what everybody uses.
//! - [`text`]: words; [`stats`]: ranks and intervals; [`dialogue`]: turns, exchanges, queries,
//!   replies; [`chart`]: how pictures look; [`builtin`]: what comes with homer.
//! - [`ranker`]: what a reader minds that no vector says, and its weights.
//! - [`nn`]: kernels, encoders, optimizer, device.
//! - [`hf`]: Hugging Face folders, hub, tokenizer.
//! - [`model`]: the bi-encoder and the cross-encoder.
//! - [`corpus`]: script → scenes → turns → exchanges; [`train`]: from exchanges to a model;
//!   [`index`]: every reply with its vector, and the search in it; [`distill`]: a small encoder
//!   made from a large one.
//! - [`chat`]: the persona that answers; [`eval`]: how well it does.
//! - [`project`]: where everything lies, and what a command does with it.

pub mod builtin;
pub mod chart;
pub mod chat;
pub mod corpus;
pub mod dialogue;
pub mod distill;
pub mod error;
pub mod eval;
pub mod files;
pub mod fingerprint;
pub mod hf;
pub mod index;
pub mod model;
pub mod nn;
pub mod project;
pub mod ranker;
mod remedy;
#[cfg(test)]
mod rooms;
pub mod seed;
pub mod stats;
pub mod text;
pub mod train;
pub mod watch;
