//! Training: batches, losses, optimizer, schedule, the loop, runs.

pub mod batches;
pub mod bi_task;
pub mod checkpoint;
pub mod cross_task;
pub mod losses;
pub mod mining;
pub mod negatives;
pub mod optimizer;
pub mod run;
pub mod schedule;
pub mod task;
pub mod texts;
pub mod trainer;
