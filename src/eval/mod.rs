//! How well a system picks the reply that was really given: response selection, measured.

pub mod bm25;
pub mod bootstrap;
pub mod cases;
pub mod fusion;
pub mod metrics;
pub mod rankers;
pub mod staged;
