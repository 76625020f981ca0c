//! Replies beyond one machine: personas in PostgreSQL with pgvector (the cargo feature `postgres`).
//!
//! A database holds many personas, each in a table of its own, so that no search filters: a small one is scanned
//! exactly, a large one has a graph (HNSW, Malkov and Yashunin, 2016) over its own vectors and nothing else.
//!
//! - [`place`]: here or in a database, and whose replies go there.
//! - `database`: its URL; `tls`: whom to trust there.
//! - `server`: connections, and trying again where one is lost; `fault`: what can be tried again.
//! - `schema`: the tables, their version and how they come to it; `rows`: a reply as a row.
//! - `load` puts an index into the database, `stored` answers from there.
//! - `absent` stands for all of these in a build without the feature.
#![warn(clippy::indexing_slicing, clippy::string_slice)]

mod place;

#[cfg(not(feature = "postgres"))]
mod absent;
#[cfg(feature = "postgres")]
mod database;
#[cfg(feature = "postgres")]
mod fault;
#[cfg(feature = "postgres")]
mod load;
#[cfg(feature = "postgres")]
mod rows;
#[cfg(feature = "postgres")]
mod schema;
#[cfg(feature = "postgres")]
mod server;
#[cfg(feature = "postgres")]
mod stored;
#[cfg(test)]
#[cfg(feature = "postgres")]
mod tests;
#[cfg(feature = "postgres")]
mod tls;

#[cfg(not(feature = "postgres"))]
pub(crate) use absent::Database;
#[cfg(not(feature = "postgres"))]
pub use absent::{Loader, Stored};
#[cfg(feature = "postgres")]
pub(crate) use database::Database;
#[cfg(feature = "postgres")]
pub use load::Loader;
pub use place::{Owner, Place};
#[cfg(feature = "postgres")]
pub use stored::Stored;
