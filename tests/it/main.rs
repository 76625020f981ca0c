//! homer as its users meet it, and its parts held against each other: one binary, linked once.

mod encoders;
mod home;
mod persona;

mod builtin;
mod chat;
mod checkpoint;
mod comparison;
mod distill;
mod eval;
mod export;
mod formats;
mod gradients;
mod hard;
mod head;
mod hostile;
mod hub;
mod judge;
mod parity;
mod prepare;
#[cfg(feature = "serve")]
mod serve;
mod shrink;
#[cfg(feature = "postgres")]
mod store;
mod tokenizer;
mod train;
