//! Files that are damaged, or were made by somebody who means no good: an error, and nothing else.

mod damage;
mod fuzz;
pub(crate) mod makers;
mod numbers;
mod persona;
