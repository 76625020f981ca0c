//! Training: batches, losses, optimizer, schedule, the loop, runs.

pub mod batches;
pub mod bi_task;
pub mod cross_task;
pub mod encode;
pub mod losses;
pub mod mining;
pub mod negatives;
pub mod optimizer;
pub mod schedule;
pub mod task;
pub mod texts;
