//! A persona's folder: where everything lies in it, and whether it is there, finished, current and
//! judged.
//!
//! [`persona`] opens what answers, [`verdict`] says whether it reranks; [`input`] and [`test_set`]
//! find what to prepare and to test on; [`lineup`] is what can be tested, [`record`] keeps the
//! figures; [`build_index`](mod@build_index) makes the index.

pub mod build_index;
pub mod input;
mod layout;
pub mod lineup;
pub mod persona;
pub mod record;
pub mod test_set;
pub mod verdict;

pub use layout::{POOL, Project};
