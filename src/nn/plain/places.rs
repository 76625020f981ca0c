//! Where the tokens of a batch stand: the numbers that a forward and a backward pass are led by, on the device.
//! `T` is the number of tokens, `n` of sequences, `L` the length of the longest one.

use candle_core::{DType, Device, Tensor};

use crate::error::Result;
use crate::nn::encoder::Pooling;
use crate::nn::packed::Packed;

/// The layout of a batch, packed and padded. All of it goes to the device in two copies.
pub(super) struct Places {
    /// Number of tokens.
    pub tokens: usize,
    /// Number of sequences.
    pub n: usize,
    /// Length of the longest one.
    pub longest: usize,
    /// Length of each.
    pub lengths: Vec<usize>,
    /// What each token is, where in its sequence it stands, and in which `[T]`.
    pub ids: Tensor,
    pub types: Tensor,
    pub positions: Tensor,
    sequences: Tensor,
    /// The distinct ids `[u]`, and for every entry of the vocabulary its place among them, or `u` `[vocab]`.
    pub distinct: Tensor,
    pub place_of_id: Tensor,
    /// 0, 1, 2, … as many as there are positions, sequences or types.
    pub numbers: Tensor,
    /// Packed row of every padded place, row 0 where there is none `[n * L]`, and padded place of every row `[T]`.
    gather: Tensor,
    scatter: Tensor,
    /// First token of every sequence `[n]`.
    firsts: Tensor,
    /// 0 where a key is there, -inf where it is padding `[n, 1, 1, L]`.
    pub hide: Tensor,
    /// 1 where a padded place holds a row, else 0 `[n * L, 1]`.
    present: Tensor,
    /// One over the length of each sequence `[n, 1]`.
    shares: Tensor,
}

impl Places {
    /// The layout of a batch for an encoder with that many words and token types; `compute` is the type of its products.
    ///
    /// # Errors
    /// The tensors cannot be made on the device.
    pub(super) fn new(
        batch: &Packed,
        vocab: usize,
        types: usize,
        compute: DType,
        device: &Device,
    ) -> Result<Self> {
        let (tokens, n, longest) = (batch.tokens(), batch.len(), batch.longest());
        let mut gather = vec![0u32; n * longest];
        let (mut scatter, mut sequences) = (Vec::new(), Vec::new());
        let mut hide = vec![f32::NEG_INFINITY; n * longest];
        let mut present = vec![0f32; n * longest];
        for sequence in 0..n {
            for (place, row) in batch.range(sequence).enumerate() {
                let padded = sequence * longest + place;
                gather[padded] = row as u32;
                hide[padded] = 0.0;
                present[padded] = 1.0;
                scatter.push(padded as u32);
                sequences.push(sequence as u32);
            }
        }
        let lengths: Vec<usize> = (0..n).map(|sequence| batch.range(sequence).len()).collect();
        let mut distinct = batch.ids.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let mut place_of_id = vec![distinct.len() as u32; vocab];
        for (place, &id) in distinct.iter().enumerate() {
            place_of_id[id as usize] = place as u32;
        }
        let numbers: Vec<u32> = (0..longest.max(n).max(types) as u32).collect();
        let firsts: Vec<u32> = batch.offsets.iter().take(n).map(|&o| o as u32).collect();

        let mut integers = Parts::new(
            [
                &batch.ids,
                &batch.types,
                &batch.positions(),
                &sequences,
                &distinct,
                &place_of_id,
                &numbers,
                &gather,
                &scatter,
                &firsts,
            ],
            device,
        )?;
        let shares: Vec<f32> = lengths.iter().map(|&length| 1.0 / length as f32).collect();
        let mut fractions = Parts::new([&hide, &present, &shares], device)?;
        Ok(Self {
            tokens,
            n,
            longest,
            lengths,
            ids: integers.next()?,
            types: integers.next()?,
            positions: integers.next()?,
            sequences: integers.next()?,
            distinct: integers.next()?,
            place_of_id: integers.next()?,
            numbers: integers.next()?,
            gather: integers.next()?,
            scatter: integers.next()?,
            firsts: integers.next()?,
            hide: fractions.next()?.reshape((n, 1, 1, longest))?,
            present: fractions
                .next()?
                .reshape((n * longest, 1))?
                .to_dtype(compute)?,
            shares: fractions.next()?.reshape((n, 1))?,
        })
    }

    /// Whether all sequences have one length.
    pub(super) fn is_full(&self) -> bool {
        self.tokens == self.n * self.longest
    }

    /// Packed rows in their padded places `[T, h] -> [n * L, h]`. What stands in the other places is of no account.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn pad(&self, rows: &Tensor) -> Result<Tensor> {
        match self.is_full() {
            true => Ok(rows.clone()),
            false => Ok(rows.index_select(&self.gather, 0)?),
        }
    }

    /// The same with zeros in the other places, as the gradient of [`Places::pack`] has them.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn pad_with_zeros(&self, rows: &Tensor) -> Result<Tensor> {
        match self.is_full() {
            true => Ok(rows.clone()),
            false => Ok(self.pad(rows)?.broadcast_mul(&self.present)?),
        }
    }

    /// The padded places that hold a row `[n * L, h] -> [T, h]`.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn pack(&self, places: &Tensor) -> Result<Tensor> {
        match self.is_full() {
            true => Ok(places.clone()),
            false => Ok(places.index_select(&self.scatter, 0)?),
        }
    }

    /// Pooled states `[T, h] -> [n, h]`.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn pool(&self, states: &Tensor, pooling: Pooling) -> Result<Tensor> {
        match pooling {
            Pooling::First => Ok(states.index_select(&self.firsts, 0)?),
            Pooling::Mean => {
                let sums = self.of_sequences()?.matmul(states)?; // [n, h]
                Ok(sums.broadcast_mul(&self.shares)?)
            }
        }
    }

    /// The gradient of [`Places::pool`] `[n, h] -> [T, h]`.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn unpool(&self, pooled: &Tensor, pooling: Pooling) -> Result<Tensor> {
        let spread = match pooling {
            Pooling::Mean => pooled.broadcast_mul(&self.shares)?,
            Pooling::First => pooled.clone(),
        };
        let everywhere = spread.index_select(&self.sequences, 0)?; // [T, h]
        match pooling {
            Pooling::Mean => Ok(everywhere),
            Pooling::First => {
                let first = self.positions.eq(0u32)?.to_dtype(DType::F32)?;
                Ok(everywhere.broadcast_mul(&first.unsqueeze(1)?)?)
            }
        }
    }

    /// Which tokens belong to which sequence, as ones `[n, T]`.
    fn of_sequences(&self) -> Result<Tensor> {
        one_hot(&self.numbers.narrow(0, 0, self.n)?, &self.sequences)
    }
}

/// Which of the `T` kinds equals which of the `k`, as ones `[k, T]`. A product with it adds rows of one kind up,
/// in parallel: candle's `index_add` goes through them one after the other on a GPU.
///
/// # Errors
/// A tensor operation fails.
pub(super) fn one_hot(among: &Tensor, kinds: &Tensor) -> Result<Tensor> {
    let equal = among.unsqueeze(1)?.broadcast_eq(&kinds.unsqueeze(0)?)?;
    Ok(equal.to_dtype(DType::F32)?)
}

/// Several vectors that went to the device end to end, taken out again one after the other.
struct Parts {
    all: Tensor,
    lengths: std::vec::IntoIter<usize>,
    from: usize,
}

impl Parts {
    fn new<T: candle_core::WithDType, const N: usize>(
        parts: [&Vec<T>; N],
        device: &Device,
    ) -> Result<Self> {
        let all: Vec<T> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        let total = all.len();
        Ok(Self {
            all: Tensor::from_vec(all, total, device)?,
            lengths: lengths.into_iter(),
            from: 0,
        })
    }

    fn next(&mut self) -> Result<Tensor> {
        let length = self.lengths.next().unwrap_or_default();
        let part = self.all.narrow(0, self.from, length)?;
        self.from += length;
        Ok(part)
    }
}
