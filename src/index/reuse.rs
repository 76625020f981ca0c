//! What of the index that is there can be used for the next one.

use std::ops::Range;
use std::path::Path;

use super::four;
use super::manifest::Provenance;
use super::{Index, NOBODY, PARTS};
use crate::error::Error;
use crate::fingerprint::Fnv;
use crate::watch::Watch;

/// How an index of which size is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From so many replies on it grows; below, writing it anew takes no time that anybody would notice.
    pub large: usize,
    /// From so many replies on its vectors are written in four bits too.
    pub coded: usize,
    /// Whether its vectors are written in eight bits.
    pub eight: bool,
    /// Files of vectors that one may have: each is searched by itself.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            large: 100_000,
            coded: 100_000,
            eight: false,
            parts: PARTS.len(),
        }
    }
}

/// Tells one reply with the queries that are blended into it from another: 64 bits, so that among ten million it
/// happens once in some hundred thousand indexes that two are taken for one.
pub(super) fn print<'a>(reply: &'a str, queries: impl Iterator<Item = &'a str>) -> u64 {
    let mut print = Fnv::default();
    for text in [reply].into_iter().chain(queries) {
        print.add(&(text.len() as u64).to_le_bytes());
        print.add(text.as_bytes());
    }
    print.value()
}

/// The index that is there, and where in it is what.
pub(super) struct Old {
    pub index: Index,
    /// The slots of its replies, in the order of their prints.
    slots: Vec<u32>,
}

impl Old {
    /// The index in `folder`, if its vectors can be used in one that is made of `source`, of vectors `width` wide.
    /// Where they cannot, `watch` hears why.
    pub(super) fn open(
        folder: &Path,
        source: &Provenance,
        width: usize,
        watch: &mut dyn Watch,
    ) -> Option<Self> {
        let index = match Index::open(folder) {
            Ok(index) => index,
            Err(Error::NotMade { .. }) => return None,
            Err(error) => {
                tracing::info!("{error}");
                watch.note("the index that is there cannot be read: every reply is embedded again");
                return None;
            }
        };
        let made = index.manifest();
        if made.source.embedding.is_none() {
            watch.note(
                "the index that is there was built by an earlier version: every reply is embedded again",
            );
            return None;
        }
        if made.source.embedding != source.embedding || made.width != width {
            watch.note(
                "the index that is there was built with another bi-encoder, weight of the queries or precision: \
                 every reply is embedded again",
            );
            return None;
        }
        let all = u32::try_from(index.slots()).ok()?;
        let mut slots: Vec<u32> = (0..all)
            .filter(|&slot| index.print(slot as usize).is_some())
            .collect();
        // Of two that are the same, the first; the order is total, so that it does not depend on chance.
        slots.sort_unstable_by_key(|&slot| (index.print(slot as usize), slot));
        Some(Self { index, slots })
    }

    /// The slot of the vector that was made of what has this print.
    fn find(&self, print: u64) -> Option<u32> {
        let of = |slot: &u32| self.index.print(*slot as usize);
        let place = self.slots.partition_point(|slot| of(slot) < Some(print));
        let slot = self.slots.get(place)?;
        (of(slot) == Some(print)).then_some(*slot)
    }
}

/// Where the vectors of the next index come from.
pub(super) struct Plan {
    /// For each reply, the slot in the old index; none where it is to be embedded.
    slots: Vec<Option<u32>>,
    /// Number of replies that are to be embedded.
    pub new: usize,
    /// Number of replies of the old index that the next has no more.
    pub gone: usize,
    /// Whether the old one's files of vectors stay as they are.
    pub grows: bool,
    /// Whether the vectors are written in four bits too.
    pub coded: bool,
}

impl Plan {
    /// For replies of these prints.
    pub(super) fn new(prints: &[u64], old: Option<&Old>, width: usize, limits: Limits) -> Self {
        let mut taken = vec![false; old.map_or(0, |old| old.index.slots())];
        let slots: Vec<Option<u32>> = prints
            .iter()
            .map(|&print| {
                let slot = old?.find(print)?;
                // A vector has one reply: a second of the same print, which chance alone makes, is embedded.
                let taken = taken.get_mut(slot as usize).filter(|taken| !**taken)?;
                *taken = true;
                Some(slot)
            })
            .collect();
        let replies = prints.len();
        let kept = slots.iter().flatten().count();
        let new = replies - kept;
        let mut plan = Self {
            new,
            gone: old.map_or(0, |old| old.index.len() - kept),
            grows: false,
            coded: replies >= limits.coded && four::fits(width),
            slots,
        };
        if let Some(old) = old {
            let all = old.index.slots() + new;
            let parts = old.index.manifest().parts().count() + usize::from(new > 0);
            plan.grows = replies >= limits.large
                && all - replies <= all / 4
                && parts <= limits.parts
                && plan.coded == old.index.is_coded();
        }
        plan
    }

    /// Where the vector of a reply is in the old index.
    pub(super) fn slot(&self, row: usize) -> Option<u32> {
        self.slots.get(row).copied().flatten()
    }

    /// Whose each vector is when the index grows, the new ones last.
    pub(super) fn rows(&self, old: &Old) -> Vec<u32> {
        let mut rows = vec![NOBODY; old.index.slots()];
        let mut new = Vec::with_capacity(self.new);
        for (slot, row) in self.slots.iter().zip(0..) {
            match slot.and_then(|slot| rows.get_mut(slot as usize)) {
                Some(place) => *place = row,
                None => new.push(row),
            }
        }
        rows.extend(new);
        rows
    }

    /// Neighbouring rows that are worked on together: at most `batch` of them are to be embedded.
    pub(super) fn batches(&self, batch: usize) -> Vec<Range<usize>> {
        /// Rows that are only written take no time: so many are as quick as a batch that is embedded.
        const WRITTEN: usize = 64;
        let mut batches = Vec::new();
        let (mut start, mut new) = (0, 0);
        for (row, slot) in self.slots.iter().enumerate() {
            if new == batch || row - start == batch * WRITTEN {
                batches.push(start..row);
                (start, new) = (row, 0);
            }
            new += usize::from(slot.is_none());
        }
        batches.push(start..self.slots.len());
        batches
    }
}
