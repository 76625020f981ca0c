//! The index: every distinct reply with its vector, in a folder that anything can read, and that
//! homer maps and never loads.
//!
//! - `vectors.safetensors`: `vectors` F16 `[replies, width]`; `offsets` U64
//!   `[replies + 1]`, where each reply's record starts in
//! - `replies.csv`: RFC 4180, UTF-8, a header row, then one [`Entry`] a record, see [`records`];
//! - `manifest.json`: [`Manifest`].
//!
//! [`write`](mod@write) streams it, [`open`] maps it, [`search`] finds the best rows exactly, with the
//! kernels of [`dot`]; [`nearest`] is what is asked of it, and of a store beyond this machine. [`build`](mod@build) makes it from a dataset, [`calibrate`] finds the
//! score under which an answer is no better than a random one.
#![warn(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![warn(clippy::indexing_slicing, clippy::string_slice)]

pub(crate) mod blend;
pub(crate) mod build;
pub(crate) mod calibrate;
pub(crate) mod dot;
pub(crate) mod manifest;
pub(crate) mod nearest;
pub(crate) mod open;
pub(crate) mod records;
pub(crate) mod search;
pub(crate) mod testing;
pub(crate) mod write;

use serde::Serialize;

use crate::dialogue::{Exchange, Turn};
use crate::text::clean::one_line;
pub(crate) use calibrate::Calibration;
pub use nearest::Nearest;
pub use open::Index;

/// Names of the files in the folder.
const VECTORS: &str = "vectors.safetensors";
const REPLIES: &str = "replies.csv";
pub(crate) const MANIFEST: &str = "manifest.json";
/// All that homer writes into the folder of an index.
const OWN: [&str; 3] = [VECTORS, REPLIES, MANIFEST];

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
