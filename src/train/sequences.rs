//! Token sequences end to end: a million short texts are two allocations and not two million.

use crate::nn::packed::Tokens;

/// Sequences of token ids, numbered in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Sequences {
    ids: Vec<u32>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Sequences {
    /// Adds one, which may be empty.
    pub(super) fn push(&mut self, ids: &[u32]) {
        self.ids.extend_from_slice(ids);
        self.ends.push(self.ids.len());
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Sequence `i`.
    ///
    /// # Panics
    /// When there are not so many.
    pub(super) fn get(&self, i: usize) -> &[u32] {
        let start = i.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.ids[start..self.ends[i]]
    }

    /// Sequence `i` as the one text of what an encoder reads.
    ///
    /// # Panics
    /// As [`Sequences::get`].
    pub(super) fn text(&self, i: usize) -> Tokens {
        let ids = self.get(i).to_vec();
        let types = vec![0; ids.len()];
        Tokens { ids, types }
    }

    /// Frees what was reserved for more.
    pub(super) fn shrink(&mut self) {
        self.ids.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_found_again() {
        let mut all = Sequences::default();
        for ids in [&[2, 3][..], &[], &[5]] {
            all.push(ids);
        }
        all.shrink();
        assert_eq!(all.len(), 3);
        assert_eq!(
            [all.get(0), all.get(1), all.get(2)],
            [&[2, 3][..], &[], &[5]]
        );
        assert_eq!(all.text(0).types, [0, 0]);
        assert_eq!(all.text(0).ids, [2, 3]);
    }
}
