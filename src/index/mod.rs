//! The index: every distinct reply with its vector, in a folder that is mapped and never loaded.
//!
//! - `vectors.safetensors`: `vectors` F16 `[replies, width]`, unit rows; `offsets` U64
//!   `[replies + 1]`, where each reply's line starts in
//! - `replies.jsonl`: one [`Entry`] a line;
//! - `settings.json`: [`Settings`].
//!
//! [`write`](mod@write) streams it, [`open`] maps it, [`search`] finds the best rows exactly, with the
//! kernels of [`dot`]. [`build`](mod@build) makes it from a dataset, [`calibrate`] finds the
//! score under which an answer is no better than a random one.

pub mod build;
pub mod calibrate;
pub mod dot;
pub mod fingerprint;
pub mod open;
pub mod search;
pub mod write;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::corpus::exchange::{Exchange, Turn};
pub use calibrate::Calibration;
pub use open::Index;
pub use search::Hit;

/// The layout described above; a folder of another number is refused.
const FORMAT: u32 = 1;

/// What the index was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The number of the layout.
    pub format: u32,
    /// Whose replies they are.
    pub character: String,
    /// Number of replies.
    pub replies: usize,
    /// Width of a vector.
    pub width: usize,
    /// [`fingerprint::of_file`] of the bi-encoder's weights.
    pub bi_encoder: String,
    /// [`fingerprint::of_file`] of the pool.
    pub pool: String,
    /// What validation says about scores; `None` where there was too little of it.
    #[serde(default)]
    pub calibration: Option<Calibration>,
}

/// One reply, with the exchanges that it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The reply.
    pub text: String,
    /// The exchanges that it answers; empty for a line that answers nobody.
    pub answers: Vec<Origin>,
}

/// An exchange as far as one who wonders where a reply comes from needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The exchange's id.
    pub exchange: usize,
    /// Its scene.
    pub scene: usize,
    /// The turns before the query, oldest first.
    pub context: Vec<Turn>,
    /// The turn that is answered.
    pub query: Turn,
}

impl From<&Exchange> for Origin {
    fn from(exchange: &Exchange) -> Self {
        Self {
            exchange: exchange.id,
            scene: exchange.scene,
            context: exchange.context.clone(),
            query: exchange.query.clone(),
        }
    }
}

fn vectors_file(folder: &Path) -> PathBuf {
    folder.join("vectors.safetensors")
}

fn replies_file(folder: &Path) -> PathBuf {
    folder.join("replies.jsonl")
}

fn settings_file(folder: &Path) -> PathBuf {
    folder.join("settings.json")
}
