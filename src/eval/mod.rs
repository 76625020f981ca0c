//! How well a system picks the reply that was really given: response selection, measured.
//!
//! [`exchanges`] reads what to test on, [`cases`] makes queries with candidates of it, [`systems`]
//! finds what a project has, each a [`rankers::Ranker`] (those of two stages are [`staged`]), and
//! [`report`] puts the cases to all of them: [`metrics`] and their intervals ([`bootstrap`]), as
//! text by [`table`](mod@table). [`fusion`] weighs the two stages on validation, and
//! [`reranking`] keeps the verdict for those that answer.

pub mod bm25;
pub mod bootstrap;
pub mod cases;
pub mod exchanges;
pub mod fusion;
pub mod metrics;
pub mod rankers;
pub mod record;
pub mod report;
pub mod reranking;
pub mod staged;
pub mod systems;
pub mod table;
