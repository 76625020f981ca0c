//! Words: [`clean`](mod@clean) and [`mojibake`] put texts right, [`name`](mod@name) names,
//! [`printable`](mod@printable) makes them fit for a terminal, [`normalize`] tells when two say the
//! same, [`cut`] bounds them, [`vocative`] leaves out whom they call, [`tfidf`] and [`bm25`] compare them.

pub(crate) mod bm25;
pub(crate) mod clean;
pub(crate) mod cut;
pub(crate) mod mojibake;
pub(crate) mod name;
pub(crate) mod normalize;
pub(crate) mod printable;
pub(crate) mod tfidf;
pub(crate) mod vocative;

/// A pattern written in the sources: whatever uses it is tested, so it compiles.
#[allow(clippy::expect_used, reason = "a constant, and tested")]
pub(crate) fn pattern(pattern: &str) -> regex::Regex {
    regex::Regex::new(pattern).expect("a constant")
}
