//! From a script to exchanges.
//!
//! In the order of the work: [`inputs`] (which files), [`document`] (bytes → text), [`formats`] (text →
//! lines, or a table), of tables [`read`] (rows) and [`columns`] (which column is what); [`scenes`] and
//! [`script`], or [`pairs`] (lines → exchanges), all brought together by `gather`; [`split`], [`pick`]
//! (good and bad replies), [`report`] with its [`picture`]. [`prepare`] is the one call that does it
//! all, and [`dataset`] what it leaves.

pub mod columns;
pub mod dataset;
pub mod document;
mod folder;
pub mod formats;
mod gather;
mod headers;
pub mod inputs;
mod lines;
mod material;
mod nearest;
pub mod pairs;
pub mod pick;
#[cfg(feature = "plots")]
pub mod picture;
pub mod prepare;
mod profile;
pub mod read;
mod records;
pub mod report;
pub mod scenes;
pub mod script;
pub mod split;
mod swallowing;
