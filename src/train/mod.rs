//! Training: batches, losses, optimizer, schedule, the loop, runs.

pub mod batches;
pub mod head;
pub mod losses;
pub mod optimizer;
pub mod schedule;
