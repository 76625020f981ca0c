//! Matrix products on views of slices: a safe face for the `gemm` crate.
#![allow(
    unsafe_code,
    reason = "gemm takes pointers: every access is checked to lie inside its slice before"
)]

use gemm::Parallelism;

/// A matrix to read: element `(i, j)` is at `i * row_step + j * column_step`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a> View<'a> {
    /// A row-major matrix.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// A row-major matrix whose rows start `step` values apart.
    pub(crate) fn strided(data: &'a [f32], rows: usize, columns: usize, step: usize) -> Self {
        Self {
            data,
            rows,
            columns,
            row_step: step,
            column_step: 1,
        }
    }

    /// The transposed matrix.
    pub(crate) fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
            ..self
        }
    }

    /// One more than the place of the last element.
    fn end(&self) -> usize {
        (self.rows - 1) * self.row_step + (self.columns - 1) * self.column_step + 1
    }
}

/// What becomes of the values that stand in the result's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// They are overwritten.
    Replace,
    /// The product is added to them.
    Add,
}

/// `out (+)= alpha · a · b`; `out` is row-major, its rows `step` values apart.
///
/// # Panics
/// When the shapes do not fit or a slice is too short.
pub(crate) fn product(
    out: &mut [f32],
    step: usize,
    store: Store,
    alpha: f32,
    a: View<'_>,
    b: View<'_>,
    threads: Parallelism,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows, "inner dimensions differ");
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    assert!(
        n <= step && (m - 1) * step + n <= out.len(),
        "result too short"
    );
    assert!(
        a.end() <= a.data.len() && b.end() <= b.data.len(),
        "operand too short"
    );
    // SAFETY: the asserts above keep every access inside the three slices; `out` is borrowed
    // mutably, so it overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            step as isize,
            store == Store::Add,
            a.data.as_ptr(),
            a.column_step as isize,
            a.row_step as isize,
            b.data.as_ptr(),
            b.column_step as isize,
            b.row_step as isize,
            1.0,
            alpha,
            false,
            false,
            false,
            threads,
        );
    }
}

/// All cores, as far as the product is large enough to share.
pub(crate) fn all_cores() -> Parallelism {
    Parallelism::Rayon(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplies_strided_and_transposed_views() {
        // a = [[1, 2, 3], [4, 5, 6]] with a row step of 4; b is stored transposed.
        let a = [1., 2., 3., 9., 4., 5., 6., 9.];
        let b = [1., 0., 2., 0., 1., 1.];
        let mut out = [10.0; 4];
        let a = View::strided(&a, 2, 3, 4);
        let b = View::new(&b, 2, 3).t();
        product(&mut out, 2, Store::Replace, 2.0, a, b, Parallelism::None);
        assert_eq!(out, [14., 10., 32., 22.]);
        product(&mut out, 2, Store::Add, 1.0, a, b, Parallelism::None);
        assert_eq!(out, [21., 15., 48., 33.]);
    }
}
