//! Dropout masks on the device of the plain encoder.

use candle_core::{DType, Device, Tensor};

use super::places::Places;
use crate::error::Result;
use crate::nn::config::Config;
use crate::nn::dropout::{Mask, Site};

/// How masks come about.
pub(super) enum Masks {
    /// Element by element on the host, the same that the fast encoder drops.
    AsFast,
    /// Windows of what was drawn once: making masks anew would hold every step up.
    Windows(Box<Windows>),
}

impl Masks {
    /// As is best on a device.
    ///
    /// # Errors
    /// The tensors cannot be made there.
    pub(super) fn new(config: &Config, compute: DType, device: &Device) -> Result<Self> {
        match device {
            Device::Cpu => Ok(Self::AsFast),
            _ => Ok(Self::Windows(Box::new(Windows::new(
                config, compute, device, DRAWN,
            )?))),
        }
    }

    /// Factors for packed states `[T, h]`, f32: 0, or what is kept is multiplied by.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn states(&self, mask: Mask, states: &Tensor) -> Result<Tensor> {
        let (shape, count) = (states.shape(), states.elem_count());
        match self {
            Self::AsFast => {
                let factors = mask.factors(0, count);
                Ok(Tensor::from_vec(factors, shape, states.device())?)
            }
            Self::Windows(windows) => Ok(window(&windows.states, mask, count)?.reshape(shape)?),
        }
    }

    /// Zeros and ones for attention probabilities `[m, heads, L, L]`, of their type. An element has the
    /// index that it has where sequences are packed, `heads × length × length` each.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn attention(
        &self,
        mask: Mask,
        probabilities: &Tensor,
        places: &Places,
    ) -> Result<Tensor> {
        let shape = probabilities.shape();
        let count = shape.elem_count();
        let windows = match self {
            Self::Windows(windows) => windows,
            Self::AsFast => {
                let (heads, longest) = (shape.dims4()?.1, places.longest);
                let mut kept = vec![0f32; count];
                let mut index = 0;
                for &(from, length) in &places.stands {
                    let (number, column) = (from / longest, from % longest);
                    for head in 0..heads {
                        for row in column..column + length {
                            let start =
                                ((number * heads + head) * longest + row) * longest + column;
                            for one in &mut kept[start..start + length] {
                                *one = f32::from(mask.factor(index) > 0.0);
                                index += 1;
                            }
                        }
                    }
                }
                let kept = Tensor::from_vec(kept, shape, probabilities.device())?;
                return Ok(kept.to_dtype(probabilities.dtype())?);
            }
        };
        Ok(window(&windows.attention, mask, count)?.reshape(shape)?)
    }
}

/// How many elements are drawn. A window is at most half of that: there are always that many to choose from.
const DRAWN: usize = 1 << 24;
/// What decides them.
const SEED: u64 = 42;

/// Elements that were drawn once. A mask is a window, at a place that its seed and site decide: each element is
/// dropped with its probability, and masks repeat no sooner than dropout can tell.
pub(super) struct Windows {
    /// Factors of states `[DRAWN]`, f32.
    states: Tensor,
    /// Zeros and ones of attention probabilities `[DRAWN]`, of the type of products.
    attention: Tensor,
}

impl Windows {
    /// `drawn` elements on a device.
    ///
    /// # Errors
    /// The tensors cannot be made there.
    pub(super) fn new(
        config: &Config,
        compute: DType,
        device: &Device,
        drawn: usize,
    ) -> Result<Self> {
        let draw = |site, p| match Mask::new(Some(SEED), site, p) {
            Some(mask) => Tensor::from_vec(mask.factors(0, drawn), drawn, device),
            None => Tensor::ones(drawn, DType::F32, device),
        };
        let attention = draw(Site::Attention(0), config.attention_dropout)?;
        Ok(Self {
            states: draw(Site::Embeddings, config.hidden_dropout)?,
            attention: attention.gt(0f64)?.to_dtype(compute)?,
        })
    }
}

/// `count` of what was drawn; several windows where one does not hold as many.
fn window(drawn: &Tensor, mask: Mask, count: usize) -> Result<Tensor> {
    let room = drawn.elem_count() / 2;
    let parts = (0..count.div_ceil(room))
        .map(|part| {
            let length = room.min(count - part * room);
            Ok(drawn.narrow(0, mask.place(part as u32, room), length)?)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&parts, 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::host;

    #[test]
    fn a_window_drops_the_share_that_was_asked_for_and_no_other_looks_the_same() {
        let p = 0.1;
        let mask = |seed, site| Mask::new(Some(seed), site, p).unwrap();
        let drawn = mask(SEED, Site::Embeddings).factors(0, 1 << 16);
        let drawn = Tensor::new(drawn, &Device::Cpu).unwrap();
        let of = |seed, site, count| {
            host::values(&window(&drawn, mask(seed, site), count).unwrap()).unwrap()
        };
        // Fewer than were drawn, and more.
        for count in [20_000, 150_000] {
            let one = of(7, Site::Attention(0), count);
            assert_eq!(one.len(), count);
            let dropped = one.iter().filter(|&&factor| factor == 0.0).count() as f64;
            assert!(
                (dropped / count as f64 - p).abs() < 0.01,
                "{dropped} of {count}"
            );
            let mean = one.iter().sum::<f32>() / count as f32;
            assert!((mean - 1.0).abs() < 0.01, "{mean}");

            assert_eq!(one, of(7, Site::Attention(0), count));
            // Of two masks, 0.9² + 0.1² of the elements are alike.
            for other in [
                of(8, Site::Attention(0), count),
                of(7, Site::Attention(1), count),
            ] {
                let alike = one.iter().zip(&other).filter(|(a, b)| a == b).count() as f64;
                assert!(
                    (alike / count as f64 - 0.82).abs() < 0.02,
                    "{alike} of {count}"
                );
            }
        }
    }
}
