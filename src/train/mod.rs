//! Training: batches, losses, optimizer, schedule, the loop, runs.

pub mod optimizer;
