//! How well a system picks the reply that was really given: response selection, measured.
//!
//! [`cases`] makes queries with candidates of exchanges, systems are [`rankers`] (those of two
//! stages are [`staged`]), and [`report`] puts the cases to all of them; as text by
//! [`table`](mod@table), drawn by [`picture`]. [`contest`] says on validation whether one is better than another.
//! [`judged`] measures by a reader's grades instead, the systems of [`judged_systems`]; as text by
//! [`judged_table`].

pub mod cases;
pub mod contest;
pub mod judged;
pub mod judged_systems;
pub mod judged_table;
#[cfg(feature = "plots")]
pub mod picture;
pub mod rankers;
pub mod report;
pub mod staged;
pub mod table;
