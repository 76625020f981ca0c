//! What is known of each reply beside its vector: where its record stands, the print of what its vector was made
//! of, and which vector is its.

use std::ops::Range;

use safetensors::Dtype;

use super::NOBODY;
use super::part::{find, tensors};
use super::tensor::{OFFSETS, PRINTS, ROWS};
use crate::folder::Bytes;

/// The table, mapped. A *row* is a reply's number, a *slot* a vector's: the same, unless the index has grown.
pub(super) struct Table {
    file: Bytes,
    offsets: Range<usize>,
    /// Not there in an index of an earlier version.
    prints: Option<Range<usize>>,
    /// Only in an index that has grown.
    rows: Option<Range<usize>>,
}

impl Table {
    /// The table in `file`; `slots` tells how many vectors an index has that has grown.
    ///
    /// # Errors
    /// It holds something else: what, in words.
    pub(super) fn open(file: Bytes, replies: usize, slots: Option<usize>) -> Result<Self, String> {
        let ends = replies.checked_add(1).ok_or("too many replies")?;
        let tensors = tensors(&file)?;
        let offsets = find(&file, &tensors, OFFSETS, Dtype::U64, &[ends])?;
        let prints = match tensors.tensor(PRINTS) {
            Ok(_) => Some(find(&file, &tensors, PRINTS, Dtype::U64, &[replies])?),
            Err(_) => None,
        };
        let rows = match slots {
            Some(slots) => Some(find(&file, &tensors, ROWS, Dtype::U32, &[slots])?),
            None => None,
        };
        let table = Self {
            file,
            offsets,
            prints,
            rows,
        };
        match slots {
            Some(slots) => table.each_once(replies, slots).map(|()| table),
            None => Ok(table),
        }
    }

    /// Makes sure that every reply has one vector.
    fn each_once(&self, replies: usize, slots: usize) -> Result<(), String> {
        let mut seen = vec![false; replies.min(slots)];
        for row in (0..slots).filter_map(|slot| self.row(slot)) {
            match seen.get_mut(row) {
                Some(seen) if !*seen => *seen = true,
                Some(_) => return Err(format!("two vectors of reply {}", row + 1)),
                None => return Err(format!("a vector of reply {} of {replies}", row + 1)),
            }
        }
        match seen.len() == replies && seen.iter().all(|&seen| seen) {
            true => Ok(()),
            false => Err("replies without a vector".into()),
        }
    }

    /// Where the record of a row starts; that of the row after the last is the end of the file.
    pub(super) fn offset(&self, row: usize) -> u64 {
        self.number(&self.offsets, row)
    }

    /// The print of a row, if the index knows it.
    pub(super) fn print(&self, row: usize) -> Option<u64> {
        let prints = self.prints.as_ref()?;
        Some(self.number(prints, row))
    }

    /// The row whose vector is in a slot; none where it is nobody's any more.
    pub(super) fn row(&self, slot: usize) -> Option<usize> {
        let Some(rows) = &self.rows else {
            return Some(slot);
        };
        let at = rows.start + slot * 4;
        let stored = self.file.get(at..at + 4)?.first_chunk()?;
        let row = u32::from_le_bytes(*stored);
        (row != NOBODY).then_some(row as usize)
    }

    fn number(&self, tensor: &Range<usize>, place: usize) -> u64 {
        let at = tensor.start + place * 8;
        let stored = self.file.get(at..at + 8);
        let stored = stored.and_then(<[u8]>::first_chunk);
        stored.map_or(0, |stored| u64::from_le_bytes(*stored))
    }
}
