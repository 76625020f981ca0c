//! Training: batches, losses, optimizer, schedule, the loop, runs.

pub mod batches;
pub mod bi;
pub mod bi_task;
pub mod card;
pub mod checkpoint;
pub mod cross;
pub mod cross_task;
pub mod job;
pub mod losses;
pub mod mining;
pub mod negatives;
pub mod optimizer;
pub mod run;
pub mod schedule;
pub mod settings;
pub mod task;
pub mod texts;
pub mod trainer;
