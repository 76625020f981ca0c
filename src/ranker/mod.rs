//! What a reader minds that no vector says, and how much each of it counts: the second stage's last word.
//!
//! A cross-encoder reads query and reply together; beside its logit stand plain things that a
//! reader sees at once: does the line only echo the message, is it spoken to somebody by name, how close did the
//! bi-encoder find it. [`features`] names them, [`LinearRanker`] is
//! their weighted sum, kept in a file that one can read, and [`fit`](fit()) finds the weights from graded answers.

/// Name of the weights' file in a cross-encoder's folder.
pub(crate) const RANKER: &str = "ranker.json";
/// The weights for lines that were written as answers, in the general reranker's.
pub(crate) const WRITTEN_WEIGHTS: &str = "written.json";

mod features;
mod fit;
mod linear;
mod sieve;

pub use features::Seen;
pub(crate) use fit::{Graded, fit};
pub use linear::LinearRanker;
pub(crate) use sieve::Sieve;
