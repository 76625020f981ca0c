//! Words: [`clean`](mod@clean) and [`mojibake`] put texts right, [`normalize`] tells when two say the same,
//! [`tfidf`] and [`bm25`] compare them, [`escaped`](mod@escaped) shows them.

pub mod bm25;
pub mod clean;
pub mod escaped;
pub mod mojibake;
pub mod normalize;
pub mod tfidf;
