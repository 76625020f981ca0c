//! Words: [`clean`](mod@clean) and [`mojibake`] put texts right, [`name`](mod@name) names,
//! [`printable`](mod@printable) makes them fit for a terminal, [`normalize`] tells when two say the
//! same, [`tfidf`] and [`bm25`] compare them.

pub mod bm25;
pub mod clean;
pub mod mojibake;
pub mod name;
pub mod normalize;
pub mod printable;
pub mod tfidf;

/// A pattern written in the sources: whatever uses it is tested, so it compiles.
pub(crate) fn pattern(pattern: &str) -> regex::Regex {
    regex::Regex::new(pattern).expect("a constant")
}
