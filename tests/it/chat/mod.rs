//! Building an index and talking, through the command line.

mod ask;
mod index;
mod repl;
mod rerank;
mod usage;

/// The files of an index.
const INDEX: [&str; 3] = ["vectors.safetensors", "replies.csv", "manifest.json"];
