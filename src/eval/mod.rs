//! How well a system picks the reply that was really given: response selection, measured.
//!
//! [`cases`] makes queries with candidates of exchanges, systems are [`rankers`] (those of two
//! stages are [`staged`]), and [`report`] puts the cases to all of them; as text by
//! [`table`](mod@table), drawn by [`picture`]. [`contest`] says on validation whether one is better than another.
//! What is measured is in [`metrics`]. [`judged`] measures by a reader's grades instead (each [`order`] is worth
//! something), the systems of [`judged_systems`]; as text by
//! [`judged_table`].

pub(crate) mod cases;
pub(crate) mod contest;
pub(crate) mod judged;
pub(crate) mod judged_systems;
pub(crate) mod judged_table;
pub(crate) mod metrics;
pub(crate) mod order;
#[cfg(feature = "plots")]
pub(crate) mod picture;
pub(crate) mod rankers;
pub(crate) mod report;
pub(crate) mod staged;
pub(crate) mod table;
