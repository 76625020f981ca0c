//! Training: from exchanges to a run that holds a model.
//!
//! - [`bi`], [`cross`]: a whole training, start to end. [`settings`], [`job`]: what they are given.
//! - [`bi_task`], [`cross_task`]: batch to gradients, and validation, behind [`task::Task`].
//! - [`batches`], [`towers`], [`cross_material`], [`negatives`], [`embed`], `sequences`: what a batch is
//!   made of.
//! - [`losses`], [`schedule`]: how it learns.
//! - [`trainer`]: the loop. [`run`], [`checkpoint`], [`curve`], [`card`]: what it leaves on disk;
//!   `succession`: how that takes the place of another.

pub(crate) mod batches;
pub(crate) mod bi;
mod bi_material;
pub(crate) mod bi_task;
pub(crate) mod card;
pub(crate) mod checkpoint;
pub(crate) mod cross;
pub(crate) mod cross_material;
pub(crate) mod cross_task;
#[cfg(feature = "plots")]
pub(crate) mod curve;
pub(crate) mod embed;
mod feedback;
pub(crate) mod job;
pub(crate) mod losses;
pub(crate) mod negatives;
pub(crate) mod run;
pub(crate) mod schedule;
mod sequences;
pub(crate) mod settings;
mod succession;
pub(crate) mod task;
pub(crate) mod towers;
pub(crate) mod trainer;
