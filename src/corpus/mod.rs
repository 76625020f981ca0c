//! From a script to exchanges.
//!
//! In the order of the work: [`read`] (bytes → rows), [`columns`] (which column is what),
//! [`scenes`] and [`script`], or [`pairs`] (rows → exchanges), [`split`], [`pick`] (good and bad
//! replies, by [`tfidf`]), [`report`]; [`prepare`] is the one call that does it all.

pub mod clean;
pub mod columns;
pub mod exchange;
mod folder;
pub mod heard;
pub mod input;
mod material;
pub mod mojibake;
pub mod pairs;
pub mod pick;
pub mod prepare;
pub mod read;
mod records;
pub mod report;
pub mod scenes;
pub mod script;
pub mod split;
pub mod tfidf;
