//! Where the tokens of a batch stand: the numbers that a forward and a backward pass are led by, on the device.
//!
//! Attention needs rows of one length. Each takes as many sequences as it has room for, which do not see one another:
//! a batch of dialogue, where most lines are short and one is long, would else be padding for the greater part.
//! `T` is the number of tokens, `n` of sequences, `L` the length of the longest one and of a row, `m` of rows.

use std::sync::OnceLock;

use candle_core::{DType, Device, Tensor};

use crate::error::Result;
use crate::nn::encoder::Pooling;
use crate::nn::packed::Packed;

/// The layout of a batch. All of it goes to the device in two copies.
pub(super) struct Places {
    /// Number of tokens.
    pub tokens: usize,
    /// Number of sequences.
    pub n: usize,
    /// Number of rows.
    pub m: usize,
    /// Length of the longest sequence, and of a row.
    pub longest: usize,
    /// Of each sequence, where in the rows it stands, from `row * L` on, and how long it is.
    pub stands: Vec<(usize, usize)>,
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
    /// The token of every place in the rows, 0 where there is none `[m * L]`, and the place of every token `[T]`.
    pub gather: Tensor,
    pub scatter: Tensor,
    /// The sequence of every place in the rows, `n` where there is none `[m * L]`.
    pub owners: Tensor,
    /// First token of every sequence `[n]`.
    firsts: Tensor,
    /// See [`Places::hide`].
    hide: OnceLock<Tensor>,
    /// 1 where a place holds a token, else 0 `[m * L, 1]`.
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
        let lengths: Vec<usize> = (0..n).map(|sequence| batch.range(sequence).len()).collect();
        let (stands, m) = fill_rows(&lengths, longest);
        let mut gather = vec![0u32; m * longest];
        let mut owners = vec![n as u32; m * longest];
        let mut present = vec![0f32; m * longest];
        let (mut scatter, mut sequences) = (Vec::new(), Vec::new());
        for (sequence, &(from, _)) in stands.iter().enumerate() {
            for (place, token) in (from..).zip(batch.range(sequence)) {
                gather[place] = token as u32;
                owners[place] = sequence as u32;
                present[place] = 1.0;
                scatter.push(place as u32);
                sequences.push(sequence as u32);
            }
        }
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
                &owners,
                &scatter,
                &firsts,
            ],
            device,
        )?;
        let shares: Vec<f32> = lengths.iter().map(|&length| 1.0 / length as f32).collect();
        let mut fractions = Parts::new([&present, &shares], device)?;
        Ok(Self {
            tokens,
            n,
            m,
            longest,
            stands,
            ids: integers.next()?,
            types: integers.next()?,
            positions: integers.next()?,
            sequences: integers.next()?,
            distinct: integers.next()?,
            place_of_id: integers.next()?,
            numbers: integers.next()?,
            gather: integers.next()?,
            owners: integers.next()?,
            hide: OnceLock::new(),
            scatter: integers.next()?,
            firsts: integers.next()?,
            present: fractions
                .next()?
                .reshape((m * longest, 1))?
                .to_dtype(compute)?,
            shares: fractions.next()?.reshape((n, 1))?,
        })
    }

    /// Whether all sequences have one length.
    pub(super) fn is_full(&self) -> bool {
        self.tokens == self.n * self.longest
    }

    /// 0 where a key is of the query's sequence, else what leaves it no weight `[m, 1, L, L]`.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(super) fn hide(&self) -> Result<&Tensor> {
        if let Some(hide) = self.hide.get() {
            return Ok(hide);
        }
        let hide = hide(&self.owners.reshape((self.m, 1, self.longest))?)?;
        Ok(self.hide.get_or_init(|| hide))
    }

    /// States of tokens in their rows `[T, h] -> [m * L, h]`. What stands in the other places is of no account.
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

    /// The places that hold a token `[m * L, h] -> [T, h]`.
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

/// What is added to attention scores, from the sequence of every place `[m, 1, L]`: large as it is, `exp` makes
/// exactly 0 of it.
fn hide(owners: &Tensor) -> Result<Tensor> {
    let alike = owners.unsqueeze(3)?.broadcast_eq(&owners.unsqueeze(2)?)?; // [m, 1, L, L]
    Ok(alike.to_dtype(DType::F32)?.affine(1e30, -1e30)?)
}

/// Puts sequences into rows, the longest first, each into the first that has room: where each stands and how long
/// it is, and the number of rows.
fn fill_rows(lengths: &[usize], row: usize) -> (Vec<(usize, usize)>, usize) {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&sequence| std::cmp::Reverse(lengths[sequence]));
    let mut taken: Vec<usize> = Vec::new();
    let mut stands = vec![(0, 0); lengths.len()];
    for sequence in order {
        let length = lengths[sequence];
        let fits = taken.iter().position(|taken| taken + length <= row);
        let number = fits.unwrap_or_else(|| {
            taken.push(0);
            taken.len() - 1
        });
        stands[sequence] = (number * row + taken[number], length);
        taken[number] += length;
    }
    (stands, taken.len())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_every_sequence_whole_and_little_else() {
        // As lines of dialogue are: many short, few long.
        let lengths: Vec<usize> = (0..384)
            .map(|i| 4 + i * i % 13 + if i % 37 == 0 { 40 } else { 0 })
            .collect();
        let longest = *lengths.iter().max().unwrap();
        let (stands, rows) = fill_rows(&lengths, longest);
        let mut taken = vec![false; rows * longest];
        for (&(from, length), &wanted) in stands.iter().zip(&lengths) {
            assert_eq!(length, wanted);
            assert_eq!(
                from / longest,
                (from + length - 1) / longest,
                "it is in one row"
            );
            for place in &mut taken[from..from + length] {
                assert!(!*place, "two sequences in one place");
                *place = true;
            }
        }
        let tokens: usize = lengths.iter().sum();
        assert!(
            tokens * 10 > 9 * taken.len(),
            "{tokens} of {} places",
            taken.len()
        );
    }

    #[test]
    fn sequences_of_one_length_stay_as_they_are() {
        let (stands, rows) = fill_rows(&[7, 7, 7], 7);
        assert_eq!((stands, rows), (vec![(0, 7), (7, 7), (14, 7)], 3));
    }
}
