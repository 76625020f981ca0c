//! Embedding rows gathered and summed, and gradients scattered back.

use super::linear::add;

/// The gradient of a large table, of which a batch touches few rows.
#[derive(Debug, Default)]
pub(crate) struct SparseRows {
    /// Place in `ids` of every row of the table; `u32::MAX` where it was not touched.
    place: Vec<u32>,
    /// The rows touched, in order of first touch.
    ids: Vec<u32>,
    /// Their gradients `[ids, w]`.
    values: Vec<f32>,
}

impl SparseRows {
    /// Nothing touched yet, of a table of `rows` rows.
    pub(crate) fn new(rows: usize) -> Self {
        Self {
            place: vec![u32::MAX; rows],
            ids: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Adds `gradient [w]` to row `id`.
    pub(crate) fn add(&mut self, id: u32, gradient: &[f32]) {
        let width = gradient.len();
        let place = &mut self.place[id as usize];
        if *place == u32::MAX {
            *place = self.ids.len() as u32;
            self.ids.push(id);
            self.values.extend_from_slice(gradient);
        } else {
            add(
                &mut self.values[*place as usize * width..][..width],
                gradient,
            );
        }
    }

    /// The gradient of row `id`, if it was touched.
    pub(crate) fn row(&self, id: usize, width: usize) -> Option<&[f32]> {
        let place = self.place[id];
        (place != u32::MAX).then(|| &self.values[place as usize * width..][..width])
    }

    /// All gradients of touched rows, in one slice.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// Forgets everything, keeping the memory.
    pub(crate) fn clear(&mut self) {
        for &id in &self.ids {
            self.place[id as usize] = u32::MAX;
        }
        self.ids.clear();
        self.values.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_rows_sum_and_forget() {
        let mut rows = SparseRows::new(5);
        rows.add(3, &[1.0, 2.0]);
        rows.add(1, &[5.0, 5.0]);
        rows.add(3, &[1.0, 1.0]);
        assert_eq!(rows.row(3, 2), Some(&[2.0, 3.0][..]));
        assert_eq!(rows.row(1, 2), Some(&[5.0, 5.0][..]));
        assert_eq!(rows.row(0, 2), None);
        rows.clear();
        assert_eq!(rows.row(3, 2), None);
        assert!(rows.values().is_empty());
    }
}
