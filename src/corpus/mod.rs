//! From a script to exchanges.
//!
//! In the order of the work: [`inputs`] (which files), [`document`] (bytes → text), [`formats`] (text →
//! lines, or a table), of tables [`read`] and [`survey`] (rows), [`columns`] and [`recognise`] (which column
//! is what); [`take`], [`scenes`] and [`script`] with its [`character`], or [`pairs`] (lines → exchanges),
//! all brought together by [`gather`]; [`split`], [`pick`]
//! (good and bad replies), [`report`] with its [`picture`]. [`prepare`] is the one call that does it
//! all, and [`dataset`] what it leaves.
#![warn(clippy::indexing_slicing, clippy::string_slice)]

mod character;
pub(crate) mod columns;
pub(crate) mod dataset;
pub(crate) mod document;
mod folder;
pub(crate) mod formats;
mod gather;
mod headers;
pub(crate) mod inputs;
mod lines;
mod material;
mod nearest;
pub(crate) mod pairs;
pub(crate) mod pick;
#[cfg(feature = "plots")]
pub(crate) mod picture;
pub(crate) mod prepare;
mod profile;
pub(crate) mod read;
mod recognise;
mod records;
pub(crate) mod report;
pub(crate) mod scenes;
pub(crate) mod script;
pub(crate) mod split;
mod survey;
mod swallowing;
mod take;

pub use columns::Named;
pub use document::encoding;
pub use formats::Format;
pub use prepare::{Options, list_characters};
pub use report::{Count, Lengths, Report, ScriptFigures, speakers_table};
pub use scenes::Speaker;
pub use split::Split;
