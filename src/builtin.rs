//! What comes with homer, in the program itself: a small encoder, a reranker, a persona, a sample script.
//!
//! They are the files of `data/`, byte for byte: read from here as a user's own are read from disk,
//! and paged in only as far as they are used.

use crate::folder::{Embedded, Folder};

/// What `--encoder` calls the encoder that comes with homer.
pub const ENCODER: &str = "built-in";
/// The name of the script that comes with homer.
pub(crate) const SAMPLE_SCRIPT: &str = "sample_script.csv";

/// Where tensors can be read in place, they begin at a multiple of their size.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

/// The folder `data/$folder`, with these files.
macro_rules! embed {
    ($name:literal, $folder:literal, [$($file:literal),+ $(,)?]) => {{
        static FILES: &[Embedded] = &[$(($file, {
            static FILE: &Aligned<[u8]> =
                &Aligned(*include_bytes!(concat!("../data/", $folder, "/", $file)));
            &FILE.0
        })),+];
        Folder::Embedded {
            name: $name,
            files: FILES,
        }
    }};
}

/// The small encoder's model folder.
pub fn encoder() -> Folder {
    embed!(
        "built-in encoder",
        "encoder",
        [
            "1_Pooling/config.json",
            "config.json",
            "model.safetensors",
            "sentence_bert_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
        ]
    )
}

/// The model folder of the general reranker, with its weights.
pub fn reranker() -> Folder {
    embed!(
        "built-in reranker",
        "reranker",
        [
            "config.json",
            "model.safetensors",
            "ranker.json",
            "sieve.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "written.json",
            "written.safetensors",
        ]
    )
}

/// The persona's index.
pub fn persona_index() -> Folder {
    embed!(
        "built-in index",
        "persona/index",
        ["manifest.json", "replies.csv", "vectors.safetensors"]
    )
}

/// The sample script.
pub fn sample_script() -> &'static [u8] {
    include_bytes!("../data/sample_script.csv")
}
