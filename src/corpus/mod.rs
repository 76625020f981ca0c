//! From a script to exchanges.
//!
//! In the order of the work: [`read`] (bytes → rows), [`columns`] (which column is what),
//! [`scenes`] and [`script`], or [`pairs`] (rows → exchanges), [`split`], [`pick`] (good and bad
//! replies), [`report`] with its [`picture`]; [`prepare`] is the one call that does it all, and
//! [`dataset`] what it leaves.

pub mod columns;
pub mod dataset;
mod folder;
mod material;
mod nearest;
pub mod pairs;
pub mod pick;
pub mod picture;
pub mod prepare;
pub mod read;
mod records;
pub mod report;
pub mod scenes;
pub mod script;
pub mod split;
