//! From a script to exchanges.

pub mod exchange;
