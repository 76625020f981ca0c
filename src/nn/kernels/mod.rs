//! The fast encoder's kernels: plain loops over slices, one job a file, forward and backward side
//! by side. They know nothing of models; [`crate::nn::fast`] puts them together.
//!
//! Shapes: `T` tokens stand end to end; a `[T, w]` buffer is row-major. Loops are compiled for
//! several instruction sets and the best is chosen at run time; work is shared between cores in
//! blocks whose size does not depend on the number of cores, so that sums come out the same.

pub mod adamw;
pub mod attention;
pub mod eight;
pub mod embedding;
pub mod gelu;
pub mod linear;
pub mod math;
pub mod norm;
pub mod pool;
pub mod product;

/// Rows that one core takes at a time.
pub(super) const BLOCK_ROWS: usize = 64;
