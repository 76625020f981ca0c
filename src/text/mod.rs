//! Words: [`clean`](mod@clean) and [`mojibake`] put texts right, [`heard`](mod@heard) tells when two say the same,
//! [`tfidf`] and [`bm25`] compare them.

pub mod bm25;
pub mod clean;
pub mod heard;
pub mod mojibake;
pub mod tfidf;
