//! From one seed to all that is random: a purpose and a number have a seed of their own.

/// What a seed is drawn for; each purpose has a sequence of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// The order of an epoch.
    Order,
    /// Dropout and draws of a step.
    Step,
    /// A part of a step.
    Chunk,
    /// The head's first values.
    Head,
    /// Fixed draws of the validation.
    Validation,
}

/// The `index`th seed of a stream (the finaliser of SplitMix64: neighbours have nothing in common).
pub(crate) fn derive(seed: u64, stream: Stream, index: u64) -> u64 {
    let mut x = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(stream as u64 + 1)
        .wrapping_mul(0xd134_2543_de82_ef95)
        .wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_differ_between_streams_and_steps() {
        let mut seeds = std::collections::BTreeSet::new();
        for stream in [Stream::Order, Stream::Step, Stream::Chunk] {
            for index in 0..1000 {
                seeds.insert(derive(42, stream, index));
            }
        }
        assert_eq!(seeds.len(), 3000);
    }
}
