//! Losses, each with its gradient with respect to what goes in.
//!
//! In candle operations, so that they run wherever the encoder does, the gradients written out: candle's own adds a
//! zero to each, and a GPU waits for every operation that the host queues. Losses stay on the device, numbers of the
//! type [`scalars`]: reading one would make the host wait in the middle of a step.

use candle_core::{D, Tensor};

use crate::error::Result;
use crate::nn::device::scalars;

/// How queries and replies are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranking {
    /// Similarities are divided by it: the smaller, the more the hardest negatives count.
    pub temperature: f64,
    /// Also rank the queries for every reply, and take the mean of both losses.
    pub both_directions: bool,
}

/// The ranking loss of a batch, with its gradients.
#[derive(Debug)]
pub(crate) struct RankingLoss {
    /// Mean over the batch, a number on the device.
    pub loss: Tensor,
    /// With respect to the queries `[n, hidden]`.
    pub queries: Tensor,
    /// With respect to the replies `[n, hidden]`.
    pub replies: Tensor,
}

/// Multiple-negatives ranking loss (Henderson et al., 2017; sentence-transformers'
/// `MultipleNegativesRankingLoss`): cross-entropy of the true reply among all replies of the batch, by
/// cosine similarity over the temperature.
///
/// `queries [n, hidden]` and `replies [n + x, hidden]` are pooled states of any length: the true replies, then
/// `x` more negatives for all. `texts` numbers the replies' texts, equal ones alike. Rows whose text equals
/// the true reply's are no negatives: their probability is exactly 0.
///
/// # Errors
/// A tensor operation fails.
pub(crate) fn ranking(
    queries: &Tensor,
    replies: &Tensor,
    texts: &[u32],
    options: Ranking,
) -> Result<RankingLoss> {
    let n = queries.dim(0)?;
    let scale = 1.0 / options.temperature;
    let units = Units::of(&Tensor::cat(&[queries, replies], 0)?)?; // [n + n + x, h]
    let query = units.rows.narrow(0, 0, n)?; // [n, h]
    let reply = units.rows.narrow(0, n, replies.dim(0)?)?; // [n + x, h]
    let scores = (query.matmul(&reply.t()?)? * scale)?; // [n, n + x]
    let [hidden, truth] = hide(texts, &scores)?;
    let masked = (scores + hidden)?;

    let (mut loss, mut slope) = cross_entropy(&masked, &truth)?;
    if options.both_directions {
        let among_queries = masked.narrow(1, 0, n)?.t()?.contiguous()?; // [n, n]
        let truth = truth.narrow(1, 0, n)?.contiguous()?;
        let (backwards, other) = cross_entropy(&among_queries, &truth)?;
        let others = replies.dim(0)? - n;
        let other = match others {
            0 => other.t()?,
            _ => {
                let zeros = Tensor::zeros((n, others), other.dtype(), other.device())?;
                Tensor::cat(&[other.t()?.contiguous()?, zeros], 1)?
            }
        };
        loss = ((loss + backwards)? * 0.5)?;
        slope = ((slope + other)? * 0.5)?;
    }
    let slope = (slope * scale)?; // [n, n + x]
    let both = Tensor::cat(&[slope.matmul(&reply)?, slope.t()?.matmul(&query)?], 0)?;
    let both = units.backward(&both)?;
    Ok(RankingLoss {
        loss: number(&loss)?,
        queries: both.narrow(0, 0, n)?,
        replies: both.narrow(0, n, replies.dim(0)?)?,
    })
}

/// Mean cross-entropy of groups of candidates (listwise softmax, Cao et al., 2007), from the logits of all
/// groups end to end `[n]`, and its gradient, of the same shape. `shares` says, group by group,
/// what share of the answer each candidate deserves; the shares of a group sum to 1.
///
/// # Errors
/// A tensor operation fails.
pub(crate) fn listwise(logits: &Tensor, shares: &[Vec<f32>]) -> Result<(Tensor, Tensor)> {
    let (device, groups) = (logits.device(), shares.len());
    let widest = shares.iter().map(Vec::len).max().unwrap_or(0);
    // Groups are rows as wide as the widest: what fills a row has the probability 0 and no share.
    let mut places = vec![0u32; groups * widest];
    let mut hidden = vec![NEVER; groups * widest];
    let mut wanted = vec![0.0; groups * widest];
    let mut cells = Vec::new();
    for (row, group) in shares.iter().enumerate() {
        for (column, &share) in group.iter().enumerate() {
            let cell = row * widest + column;
            places[cell] = cells.len() as u32;
            cells.push(cell as u32);
            hidden[cell] = 0.0;
            wanted[cell] = share;
        }
    }
    let shape = (groups, widest);
    let places = Tensor::from_vec(places, groups * widest, device)?;
    let hidden = Tensor::from_vec(hidden, shape, device)?;
    let wanted = Tensor::from_vec(wanted, shape, device)?;
    let count = cells.len();
    let cells = Tensor::from_vec(cells, count, device)?;

    let rows = logits.index_select(&places, 0)?.reshape(shape)?; // [groups, widest]
    let (loss, slope) = cross_entropy(&(rows + hidden)?, &wanted)?;
    Ok((
        number(&loss)?,
        slope.flatten_all()?.index_select(&cells, 0)?,
    ))
}

/// A loss, as it is handed out.
fn number(loss: &Tensor) -> Result<Tensor> {
    Ok(loss.detach().to_dtype(scalars(loss.device()))?)
}

/// What is added to logits that count for nothing: large as it is, `exp` makes exactly 0 of it, and 0 of it is 0.
const NEVER: f32 = -1e30;

/// Mean cross-entropy of rows of logits, and its gradient; `wanted` is what share each deserves, all `[n, m]`.
fn cross_entropy(logits: &Tensor, wanted: &Tensor) -> Result<(Tensor, Tensor)> {
    let largest = logits.max_keepdim(D::Minus1)?; // [n, 1]
    let powers = logits.broadcast_sub(&largest)?.exp()?;
    let sums = powers.sum_keepdim(D::Minus1)?;
    let deserved = (logits * wanted)?.sum_keepdim(D::Minus1)?;
    let loss = ((sums.log()? + largest)? - deserved)?.mean_all()?;
    let slope = (powers.broadcast_div(&sums)? - wanted)?;
    Ok((loss, (slope * (1.0 / logits.dim(0)? as f64))?))
}

/// Rows of unit length, and what is needed for the way back; a row of zeros stays one.
#[derive(Debug)]
pub(crate) struct Units {
    /// `[n, h]`.
    pub rows: Tensor,
    /// How long they were `[n, 1]`.
    lengths: Tensor,
}

impl Units {
    /// Of rows of any length `[n, h]`.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(crate) fn of(rows: &Tensor) -> Result<Self> {
        let lengths = (rows.sqr()?.sum_keepdim(D::Minus1)? + 1e-24)?.sqrt()?;
        Ok(Self {
            rows: rows.broadcast_div(&lengths)?,
            lengths,
        })
    }

    /// The gradient of what came in, given that of the unit rows u: (g - u · Σ u g) / length.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(crate) fn backward(&self, gradient: &Tensor) -> Result<Tensor> {
        let along = (gradient * &self.rows)?.sum_keepdim(D::Minus1)?; // [n, 1]
        let across = (gradient - self.rows.broadcast_mul(&along)?)?;
        Ok(across.broadcast_div(&self.lengths)?)
    }
}

/// Of logits `[n, n + x]`, each row's truth being on the diagonal: what is added where another reply has the text of
/// the true one, [`NEVER`], else 0; and 1 for the truth, else 0.
fn hide(texts: &[u32], like: &Tensor) -> Result<[Tensor; 2]> {
    let (n, width) = like.dims2()?;
    let mut both = vec![0f32; 2 * n * width];
    let (hidden, truths) = both.split_at_mut(n * width);
    for (row, truth) in texts.iter().take(n).enumerate() {
        for (column, other) in texts.iter().enumerate() {
            if row != column && truth == other {
                hidden[row * width + column] = NEVER;
            }
        }
        truths[row * width + row] = 1.0;
    }
    // In one copy.
    let both = Tensor::from_vec(both, (2, n, width), like.device())?;
    Ok([both.get(0)?, both.get(1)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    const WIDTH: usize = 3;

    fn rows(values: &[f32], width: usize) -> Tensor {
        Tensor::from_slice(values, (values.len() / width, width), &Device::Cpu).unwrap()
    }

    /// Numbers that are neither equal nor symmetrical.
    fn some(count: usize, phase: f32) -> Vec<f32> {
        (0..count)
            .map(|i| (i as f32 * 1.7 + phase).sin() * 1.3 + 0.2)
            .collect()
    }

    fn value(number: &Tensor) -> f64 {
        number.to_scalar().unwrap()
    }

    /// Compares a gradient with central differences of `loss`.
    fn check(values: &[f32], gradient: &Tensor, loss: impl Fn(&[f32]) -> f64) {
        let gradient: Vec<f32> = gradient.flatten_all().unwrap().to_vec1().unwrap();
        assert!(gradient.iter().any(|g| g.abs() > 1e-3), "{gradient:?}");
        for i in 0..values.len() {
            let mut moved = values.to_vec();
            moved[i] = values[i] + 5e-3;
            let above = loss(&moved);
            moved[i] = values[i] - 5e-3;
            let slope = (above - loss(&moved)) / 1e-2;
            let error = (slope - f64::from(gradient[i])).abs();
            assert!(error < 2e-3, "value {i}: {slope} against {}", gradient[i]);
        }
    }

    #[test]
    fn ranking_gradients_equal_finite_differences() {
        let (queries, replies) = (some(12, 0.0), some(12, 5.0));
        // Replies 1 and 3 are one text.
        let texts = [7, 2, 5, 2];
        for both_directions in [false, true] {
            let options = Ranking {
                temperature: 0.5,
                both_directions,
            };
            let of = |queries: &[f32], replies: &[f32]| {
                let (queries, replies) = (rows(queries, WIDTH), rows(replies, WIDTH));
                ranking(&queries, &replies, &texts, options).unwrap()
            };
            let result = of(&queries, &replies);
            check(&queries, &result.queries, |moved| {
                value(&of(moved, &replies).loss)
            });
            check(&replies, &result.replies, |moved| {
                value(&of(&queries, moved).loss)
            });
        }
    }

    #[test]
    fn equal_replies_are_no_negatives_of_each_other() {
        let options = Ranking {
            temperature: 0.05,
            both_directions: true,
        };
        let queries = rows(&some(6, 0.0), WIDTH);
        let replies = rows(&some(6, 5.0), WIDTH);
        let of = |texts: &[u32]| ranking(&queries, &replies, texts, options).unwrap();
        let apart = of(&[0, 1]);
        assert!(value(&apart.loss) > 0.0);
        // Two rows of one text: nothing is left to tell apart.
        let equal = of(&[4, 4]);
        assert_eq!(value(&equal.loss), 0.0);
        let gradient: Vec<f32> = equal.queries.flatten_all().unwrap().to_vec1().unwrap();
        assert!(gradient.iter().all(|g| g.abs() < 1e-6), "{gradient:?}");
    }

    #[test]
    fn ranking_equals_cross_entropy_of_cosines() {
        let queries = rows(&[1., 0., 0., 2.], 2);
        let replies = rows(&[3., 0., 1., 1.], 2);
        let options = Ranking {
            temperature: 0.1,
            both_directions: false,
        };
        let half = 0.5f64.sqrt() * 10.0;
        let expected = ((half - 10.0).exp().ln_1p() + (0.0f64 - half).exp().ln_1p()) / 2.0;
        let loss = value(&ranking(&queries, &replies, &[0, 1], options).unwrap().loss);
        assert!((loss - expected).abs() < 1e-5, "{loss} against {expected}");
    }

    #[test]
    fn a_row_of_zeros_gives_numbers() {
        let zeros = rows(&[0.0; 6], WIDTH);
        let options = Ranking {
            temperature: 0.05,
            both_directions: true,
        };
        let result = ranking(&zeros, &zeros, &[0, 1], options).unwrap();
        assert!(value(&result.loss).is_finite());
        let gradient: Vec<f32> = result.queries.flatten_all().unwrap().to_vec1().unwrap();
        assert!(gradient.iter().all(|g| g.is_finite()));
    }

    #[test]
    fn listwise_gradient_equals_finite_differences_and_groups_may_differ_in_size() {
        let values = some(6, 1.0);
        let shares = [vec![1.0, 0.0], vec![0.5, 0.0, 0.25, 0.25]];
        let of = |values: &[f32]| {
            let logits = Tensor::new(values, &Device::Cpu).unwrap();
            listwise(&logits, &shares).unwrap()
        };
        check(&values, &of(&values).1, |moved| value(&of(moved).0));
    }

    #[test]
    fn listwise_is_the_cross_entropy_of_a_softmax() {
        let logits = Tensor::new(&[2.0f32, 0.0, 1.0], &Device::Cpu).unwrap();
        let (loss, _) = listwise(&logits, &[vec![1.0, 0.0, 0.0]]).unwrap();
        let expected = (1.0 + (-2.0f64).exp() + (-1.0f64).exp()).ln();
        assert!((value(&loss) - expected).abs() < 1e-6);
    }
}
