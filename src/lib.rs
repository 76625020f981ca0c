//! homer turns a dialogue script into a character you can talk to.
//!
//! It picks, out of everything the character ever said, the line that best answers what you just
//! said: a bi-encoder finds candidates, a cross-encoder puts the best of them in order.
//!
//! ```no_run
//! use homer::{Choice, Project};
//!
//! // Your own persona as soon as there is one in the folder, else the built-in one.
//! let persona = Project::new("springfield").persona()?;
//! let answer = persona.answer(&[], "Want to go fishing?", &[], &Choice::default())?;
//! println!("{}: {}", persona.character, answer.text().unwrap_or("…"));
//! # Ok::<(), homer::Error>(())
//! ```
//!
//! A [`Project`] is a folder, and each step of the work on it a call, which tells a [`Watch`] how it
//! goes and reads what the step before it left:
//!
//! ```no_run
//! use homer::corpus::Options;
//! use homer::project::{self, IndexSettings};
//! use homer::{BiSettings, CrossSettings, Project, Start};
//!
//! let springfield = Project::new("springfield");
//! project::prepare(&springfield, &Options::new("script.csv"), &mut ())?;
//! project::train_bi(&springfield, &BiSettings::default(), None, Start::Fresh, &mut ())?;
//! project::train_cross(&springfield, &CrossSettings::default(), &[], None, Start::Fresh, &mut ())?;
//! project::build_index(&springfield, &IndexSettings::default(), &mut ())?;
//! # Ok::<(), homer::Error>(())
//! ```
//!
//! # Architecture
//!
//! Imports run downwards only; from the bottom up:
//!
//! - [`error`], [`files`], [`fingerprint`], [`folder`], [`seed`], [`watch`]: what everybody uses.
//! - [`text`]: words; [`stats`]: ranks and intervals; [`dialogue`]: turns, exchanges, queries,
//!   replies; [`chart`]: how pictures look; [`builtin`]: what comes with homer.
//! - [`ranker`]: what a reader minds that no vector says, and its weights.
//! - [`nn`]: kernels, encoders, optimizer, device.
//! - [`hf`]: Hugging Face folders, hub, tokenizer.
//! - [`model`]: the bi-encoder and the cross-encoder.
//! - [`corpus`]: script → scenes → turns → exchanges; [`train`]: from exchanges to a model;
//!   [`index`]: every reply with its vector, and the search in it; [`distill`]: a small encoder
//!   made from a large one; [`store`]: the same replies in PostgreSQL, beyond one machine (a cargo
//!   feature).
//! - [`chat`]: the persona that answers: it retrieves candidates, and decides; [`eval`]: how well it
//!   does.
//! - [`project`]: where everything lies, and a verb for each step; `serve` (a cargo feature): the
//!   page and the HTTP interfaces over it.
//!
//! Every error says what is wrong and where, and has a [`Remedy`] that knows no command line. The same
//! seed, data and machine give the same bytes; files are written beside their place and renamed into
//! it; nothing trained is overwritten unasked.
// A user's files reach everywhere. Rooms that read them warn of indexing too.
#![warn(clippy::expect_used, clippy::unwrap_used)]

pub mod builtin;
#[cfg(feature = "plots")]
mod chart;
mod chat;
pub mod corpus;
mod dialogue;
pub mod distill;
mod error;
mod eval;
mod files;
mod fingerprint;
mod folder;
mod hf;
mod index;
#[doc(hidden)]
pub mod internals;
mod model;
mod nn;
pub mod project;
mod ranker;
mod remedy;
#[cfg(test)]
mod rooms;
mod seed;
#[cfg(feature = "serve")]
pub mod serve;
mod stats;
mod store;
mod text;
mod train;
mod watch;

pub use chat::{Answer, Ask, Candidate, Choice, Conversation, MinScore, Persona, Retrieve};
pub use dialogue::{Exchange, Feedback, Grade, Judged, JudgedReply, Opinion, Query, Turn, Verdict};
pub use error::{Error, Remedy, Result, Setting, Step};
pub use eval::contest::Contest;
pub use folder::Folder;
pub use hf::tensors::Precision;
pub use index::calibrate::Calibration;
pub use index::manifest::{Manifest, Provenance};
pub use index::{Entry, Origin};
pub use nn::device::Compute;
pub use project::Project;
pub use stats::bootstrap::Estimate;
pub use store::Place;
pub use text::clean::one_line;
pub use text::cut::{LONGEST, at_most};
pub use text::printable::printable_line;
pub use train::run::{Outcome, Run, Start};
pub use train::settings::{BiSettings, CommonSettings, CrossSettings};
pub use train::task::Validation;
pub use watch::{Unit, Watch};
