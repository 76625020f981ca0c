//! Training: from exchanges to a run that holds a model.
//!
//! - [`bi`], [`cross`]: a whole training, start to end. [`settings`], [`job`]: what they are given.
//! - [`bi_task`], [`cross_task`]: batch to gradients, and validation, behind [`task::Task`].
//! - [`batches`], [`towers`], [`cross_material`], [`negatives`], [`embed`]: what a batch is made of.
//! - [`losses`], [`schedule`]: how it learns.
//! - [`trainer`]: the loop. [`run`], [`checkpoint`], [`curve`], [`card`]: what it leaves on disk.

pub mod batches;
pub mod bi;
pub mod bi_task;
pub mod card;
pub mod checkpoint;
pub mod cross;
pub mod cross_material;
pub mod cross_task;
#[cfg(feature = "plots")]
pub mod curve;
pub mod embed;
pub mod job;
pub mod losses;
pub mod negatives;
pub mod run;
pub mod schedule;
pub mod settings;
pub mod task;
pub mod towers;
pub mod trainer;
