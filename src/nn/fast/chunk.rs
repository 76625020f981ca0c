//! A batch in chunks of whole sequences, each with its place in the batch's dropout masks.

use crate::nn::config::Config;
use crate::nn::dropout::{Mask, Site};
use crate::nn::kernels::attention;
use crate::nn::kernels::norm::MaskFrom;
use crate::nn::packed::Packed;

/// Where a chunk starts in its batch: dropout masks are the batch's.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Start {
    pub(super) token: usize,
    pub(super) probability: usize,
}

/// Whole sequences of a batch.
pub(super) struct Chunk<'a> {
    pub(super) ids: &'a [u32],
    pub(super) types: &'a [u32],
    pub(super) positions: &'a [u32],
    /// Offsets in the batch; the first is the chunk's first token.
    pub(super) offsets: &'a [usize],
    pub(super) dropout: Option<u64>,
    pub(super) start: Start,
}

impl Chunk<'_> {
    pub(super) fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// The mask of a site whose states are `[T, width]`.
    pub(super) fn mask(&self, site: Site, p: f64, width: usize) -> MaskFrom {
        Mask::new(self.dropout, site, p).map(|mask| (mask, self.start.token * width))
    }

    pub(super) fn attention_mask(&self, layer: usize, config: &Config) -> Option<(Mask, usize)> {
        Mask::new(
            self.dropout,
            Site::Attention(layer),
            config.attention_dropout,
        )
        .map(|mask| (mask, self.start.probability))
    }
}

/// Position of every token in its sequence.
pub(super) fn positions(offsets: &[usize]) -> Vec<u32> {
    offsets
        .windows(2)
        .flat_map(|o| 0..(o[1] - o[0]) as u32)
        .collect()
}

/// Cuts a batch into runs of whole sequences of about `tokens` tokens, as ranges of sequences.
pub(super) fn cut(batch: &Packed, tokens: usize) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let mut first = 0;
    for next in 1..=batch.len() {
        if next == batch.len() || batch.offsets[next] - batch.offsets[first] >= tokens {
            ranges.push(first..next);
            first = next;
        }
    }
    ranges
}

/// The chunks of a batch, with where each starts.
pub(super) fn chunks(
    batch: &Packed,
    tokens: usize,
    heads: usize,
) -> Vec<(std::ops::Range<usize>, Start)> {
    let mut start = Start::default();
    cut(batch, tokens)
        .into_iter()
        .map(|range| {
            let offsets = &batch.offsets[range.start..=range.end];
            let own = start;
            start.token = offsets[offsets.len() - 1];
            start.probability += attention::probabilities(offsets, heads);
            (range, own)
        })
        .collect()
}

/// The part of a batch that `range` names.
pub(super) fn chunk<'a>(
    batch: &'a Packed,
    positions: &'a [u32],
    range: std::ops::Range<usize>,
    start: Start,
    dropout: Option<u64>,
) -> Chunk<'a> {
    let offsets = &batch.offsets[range.start..=range.end];
    let tokens = offsets[0]..offsets[offsets.len() - 1];
    Chunk {
        ids: &batch.ids[tokens.clone()],
        types: &batch.types[tokens.clone()],
        positions: &positions[tokens],
        offsets,
        dropout,
        start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::packed::Tokens;

    #[test]
    fn cuts_between_sequences_and_loses_none() {
        let sequences: Vec<Tokens> = [3, 5, 9, 1, 1, 1, 4]
            .iter()
            .map(|&n| Tokens {
                ids: vec![0; n],
                types: vec![0; n],
            })
            .collect();
        let batch = Packed::new(&sequences);
        assert_eq!(cut(&batch, 8), [0..2, 2..3, 3..7]);
        assert_eq!(cut(&batch, 1), [0..1, 1..2, 2..3, 3..4, 4..5, 5..6, 6..7]);
        assert_eq!(cut(&batch, 1000), vec![0..7; 1]);
    }
}
