//! Dropout masks that both encoders can make again from a seed, element by element.
//!
//! Nothing is stored between forward and backward: whether an element is kept is a hash of the
//! seed, of the *site* (which dropout of the network) and of the element's index there. On a GPU the two decide
//! which part is taken of what was drawn once.

/// One dropout of the network in one forward pass.
#[derive(Debug, Clone, Copy)]
pub struct Mask {
    key: u32,
    threshold: u32,
    /// What a kept element is multiplied by, `1 / (1 - p)`.
    pub scale: f32,
}

/// The dropouts of the network.
#[derive(Debug, Clone, Copy)]
pub enum Site {
    /// After the embeddings' norm.
    Embeddings,
    /// On the attention probabilities of a layer.
    Attention(usize),
    /// On the attention block's output, before it is added.
    AttentionOutput(usize),
    /// On the feed-forward block's output, before it is added.
    FeedForwardOutput(usize),
}

impl Mask {
    /// The mask of `site` with drop probability `p`; `None` where nothing is dropped.
    pub fn new(seed: Option<u64>, site: Site, p: f64) -> Option<Self> {
        let seed = seed.filter(|_| p > 0.0)?;
        let site = match site {
            Site::Embeddings => 0,
            Site::Attention(layer) => 1 + 3 * layer as u32,
            Site::AttentionOutput(layer) => 2 + 3 * layer as u32,
            Site::FeedForwardOutput(layer) => 3 + 3 * layer as u32,
        };
        let key = mix(mix(seed as u32)
            ^ mix((seed >> 32) as u32 ^ 0x9e37_79b9)
            ^ mix(site.wrapping_mul(0x85eb_ca6b)));
        Some(Self {
            key,
            threshold: (p * 4_294_967_296.0) as u32,
            scale: (1.0 / (1.0 - p)) as f32,
        })
    }

    /// Factor of element `index`: 0 where it is dropped, else [`Mask::scale`].
    #[inline(always)]
    pub(crate) fn factor(self, index: u32) -> f32 {
        if mix(index ^ self.key) >= self.threshold {
            self.scale
        } else {
            0.0
        }
    }

    /// Factors of elements `from..from + len`.
    pub(crate) fn factors(self, from: usize, len: usize) -> Vec<f32> {
        (from..from + len)
            .map(|index| self.factor(index as u32))
            .collect()
    }

    /// A place among `room`, where part `part` of what is dropped here begins in what was drawn before.
    pub(crate) fn place(self, part: u32, room: usize) -> usize {
        mix(mix(part) ^ self.key) as usize % room
    }
}

/// A bijection of the 32-bit integers without visible bias (Ellis, "hash-prospector", 2018).
#[inline(always)]
fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_the_share_that_was_asked_for() {
        for p in [0.1, 0.5] {
            let mask = Mask::new(Some(7), Site::Attention(3), p).unwrap();
            let factors = mask.factors(0, 200_000);
            let dropped = factors.iter().filter(|&&f| f == 0.0).count() as f64 / 200_000.0;
            assert!((dropped - p).abs() < 0.005, "{dropped} of {p}");
            let mean = factors.iter().sum::<f32>() / 200_000.0;
            assert!((mean - 1.0).abs() < 0.01, "{mean}");
        }
    }

    #[test]
    fn seeds_and_sites_give_masks_of_their_own() {
        let factors = |seed, site| Mask::new(Some(seed), site, 0.5).unwrap().factors(0, 4096);
        let base = factors(1, Site::Embeddings);
        assert_eq!(base, factors(1, Site::Embeddings));
        for other in [
            factors(2, Site::Embeddings),
            factors(1 << 32, Site::Embeddings),
            factors(1, Site::AttentionOutput(0)),
        ] {
            let same = base.iter().zip(&other).filter(|(a, b)| a == b).count();
            assert!((1800..2300).contains(&same), "{same} of 4096 agree");
        }
    }

    #[test]
    fn none_without_a_seed_or_without_a_chance() {
        assert!(Mask::new(None, Site::Embeddings, 0.1).is_none());
        assert!(Mask::new(Some(1), Site::Embeddings, 0.0).is_none());
    }
}
