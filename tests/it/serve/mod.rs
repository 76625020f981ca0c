//! `homer serve`, spoken to over its socket as clients speak to it.

mod doors;
pub(crate) mod harness;
mod life;
mod load;
mod openai;
mod rerank;
