//! How well a system picks the reply that was really given: response selection, measured.
//!
//! [`cases`] makes queries with candidates of exchanges, systems are [`rankers`] (those of two
//! stages are [`staged`]), and [`report`] puts the cases to all of them; as text by
//! [`table`](mod@table), drawn by [`picture`]. [`contest`] says on validation whether one is better than another.

pub mod cases;
pub mod contest;
#[cfg(feature = "plots")]
pub mod picture;
pub mod rankers;
pub mod report;
pub mod staged;
pub mod table;
