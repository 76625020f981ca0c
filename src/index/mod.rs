//! The index: every distinct reply with its vector, in a folder that anything can read, and that
//! homer maps and never loads, unless its vectors are in eight bits.
//!
//! - `vectors.safetensors`: `vectors` F16 `[replies, width]`, or I8 with `scales` F32 `[replies]`, see [`eight`];
//!   `offsets` U64 `[replies + 1]`, where each reply's record starts in
//! - `replies.csv`: RFC 4180, UTF-8, a header row, then one [`Entry`] a record, see [`records`];
//! - `manifest.json`: [`Manifest`].
//!
//! `prints` U64 `[replies]` beside the offsets tell what each vector was made of, so that the next index embeds
//! only what is new. Where there are many replies, `codes` U8 `[replies, width / 2]` and `steps` F32
//! `[replies]` are the vectors in four bits, see [`four`].
//!
//! # How it grows
//!
//! A new index is always a new folder that takes the old one's place as a whole: at any moment there is the old one
//! or the new one, and who has the old one mapped reads on. What must not be written again and again are the
//! vectors of a large one. So a large index *grows*: the files of vectors are never changed, the new folder gets
//! them by a second name (a hard link), and one more, `vectors-2.safetensors` and so on, for what is new. What
//! shifts with every line that comes or goes, the records and their offsets and prints, is a tenth of it and
//! written anew, the table into `rows.safetensors`, together with `rows` U32 `[vectors]`: whose vector each
//! one is, or nobody's any more. Rows stand in the order of the dialogue as ever, and answers are those of an index
//! that was built at once. When a quarter of the vectors are nobody's, or the files have become many, and always
//! while it is small, all is written anew into one file, with the vectors that are there: the same bytes as if
//! all had been embedded.
//!
//! [`write`](mod@write) streams it, [`open`] maps it, [`search`] finds the best rows, with the
//! kernels of [`dot`] and [`four`]; [`nearest`] is what is asked of it, and of a store beyond this machine.
//! [`build`](mod@build) makes it from a dataset, [`reuse`] finds what of the old one is in it, [`calibrate`] finds
//! the score under which an answer is no better than a random one.
#![warn(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![warn(clippy::indexing_slicing, clippy::string_slice)]

pub(crate) mod blend;
pub(crate) mod build;
pub(crate) mod calibrate;
pub(crate) mod dot;
mod eight;
mod four;
pub(crate) mod manifest;
pub(crate) mod nearest;
pub(crate) mod open;
mod part;
pub(crate) mod records;
mod reuse;
pub(crate) mod search;
mod stream;
mod table;
pub(crate) mod testing;
pub(crate) mod write;

use std::path::Path;

use serde::Serialize;

use crate::dialogue::{Exchange, Turn};
use crate::error::Result;
use crate::files;
use crate::text::clean::one_line;
pub(crate) use calibrate::Calibration;
pub use nearest::Nearest;
pub use open::Index;

/// Names of the files in the folder.
const VECTORS: &str = "vectors.safetensors";
const REPLIES: &str = "replies.csv";
const ROWS: &str = "rows.safetensors";
pub(crate) const MANIFEST: &str = "manifest.json";
/// The files of vectors, in the order in which an index grows.
const PARTS: [&str; 8] = [
    VECTORS,
    "vectors-2.safetensors",
    "vectors-3.safetensors",
    "vectors-4.safetensors",
    "vectors-5.safetensors",
    "vectors-6.safetensors",
    "vectors-7.safetensors",
    "vectors-8.safetensors",
];
/// What else homer writes into the folder.
const OTHERS: [&str; 3] = [REPLIES, ROWS, MANIFEST];

/// Names of the tensors in the files.
mod tensor {
    pub(super) const VECTORS: &str = "vectors";
    pub(super) const SCALES: &str = "scales";
    pub(super) const CODES: &str = "codes";
    pub(super) const STEPS: &str = "steps";
    pub(super) const OFFSETS: &str = "offsets";
    pub(super) const PRINTS: &str = "prints";
    pub(super) const ROWS: &str = "rows";
}
/// Whose a vector is that is nobody's any more.
const NOBODY: u32 = u32::MAX;

/// Makes sure that a folder holds nothing but what homer writes into that of an index.
///
/// # Errors
/// As [`files::check_own`].
fn check_own(folder: &Path) -> Result<()> {
    let names = [&PARTS[..], &OTHERS].concat();
    files::check_own(folder, &names)
}

/// One reply, with where it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The reply.
    pub text: String,
    /// The first exchange that it answers; none for a line that answers nobody.
    pub origin: Option<Origin>,
    /// The ids of all exchanges that it answers, the first one's among them.
    pub exchanges: Vec<usize>,
}

/// An exchange as far as one who wonders where a reply comes from needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The exchange's id.
    pub exchange: usize,
    /// Its scene.
    pub scene: usize,
    /// The turn that is answered.
    pub query: Turn,
    /// The turns before the query, oldest first, each as one reads it: `Speaker: text`.
    pub context: Vec<String>,
}

impl From<&Exchange> for Origin {
    fn from(exchange: &Exchange) -> Self {
        Self {
            exchange: exchange.id,
            scene: exchange.scene,
            query: exchange.query.clone(),
            context: exchange.context.iter().map(as_read).collect(),
        }
    }
}

/// A turn on one line, behind its speaker if there is one.
fn as_read(turn: &Turn) -> String {
    let text = one_line(&turn.text);
    match turn.speaker.as_str() {
        "" => text,
        speaker => format!("{speaker}: {text}"),
    }
}
