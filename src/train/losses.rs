//! Losses, each with its gradient with respect to what goes in.
//!
//! In candle operations, so that they run wherever the encoder does; only composed ones, because
//! candle's fused softmax has no backward pass. The inputs are made leaves of their own graph:
//! the encoder's backward pass continues from the gradients that come out. Losses stay on the device,
//! numbers of the type [`scalars`]: reading one would make the host wait in the middle of a step.

use candle_core::{D, Tensor, Var};

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
    let query_leaf = Var::from_tensor(&queries.detach())?; // [n, h]
    let reply_leaf = Var::from_tensor(&replies.detach())?; // [n + x, h]
    let n = queries.dim(0)?;
    let query = unit(&query_leaf)?;
    let reply = unit(&reply_leaf)?;
    let scale = 1.0 / options.temperature;
    let among_replies = (query.matmul(&reply.t()?)? * scale)?; // [n, n + x]
    let hidden = hide(texts, &among_replies)?; // [n, n + x]
    let truth = ((&query * &reply.narrow(0, 0, n)?)?.sum(D::Minus1)? * scale)?; // [n]
    let masked = (&among_replies + &hidden)?;

    let mut loss = (log_sum_exp(&masked)? - &truth)?.mean_all()?;
    if options.both_directions {
        let among_queries = masked.narrow(1, 0, n)?.t()?.contiguous()?; // [n, n]
        let backwards = (log_sum_exp(&among_queries)? - &truth)?.mean_all()?;
        loss = ((loss + backwards)? * 0.5)?;
    }
    let store = loss.backward()?;
    let gradient = |leaf: &Var| match store.get(leaf) {
        Some(gradient) => Ok(gradient.detach()),
        None => leaf.zeros_like(),
    };
    Ok(RankingLoss {
        loss: number(&loss)?,
        queries: gradient(&query_leaf)?,
        replies: gradient(&reply_leaf)?,
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
    let mut hidden = vec![f32::NEG_INFINITY; groups * widest];
    let mut wanted = vec![0.0; groups * widest];
    let mut start = 0;
    for (row, group) in shares.iter().enumerate() {
        for (column, &share) in group.iter().enumerate() {
            let cell = row * widest + column;
            places[cell] = start + column as u32;
            hidden[cell] = 0.0;
            wanted[cell] = share;
        }
        start += group.len() as u32;
    }
    let shape = (groups, widest);
    let places = Tensor::from_vec(places, groups * widest, device)?;
    let hidden = Tensor::from_vec(hidden, shape, device)?;
    let wanted = Tensor::from_vec(wanted, shape, device)?;

    let leaf = Var::from_tensor(&logits.detach())?;
    let rows = leaf.index_select(&places, 0)?.reshape(shape)?; // [groups, widest]
    let deserved = (&rows * &wanted)?.sum(D::Minus1)?; // [groups]
    let loss = (log_sum_exp(&(&rows + &hidden)?)? - deserved)?.mean_all()?;
    let store = loss.backward()?;
    let gradient = match store.get(&leaf) {
        Some(gradient) => gradient.detach(),
        None => leaf.zeros_like()?,
    };
    Ok((number(&loss)?, gradient))
}

/// A loss, as it is handed out.
fn number(loss: &Tensor) -> Result<Tensor> {
    Ok(loss.detach().to_dtype(scalars(loss.device()))?)
}

/// Rows of unit length; a row of zeros stays one.
///
/// # Errors
/// A tensor operation fails.
pub(crate) fn unit(rows: &Tensor) -> Result<Tensor> {
    let length = (rows.sqr()?.sum_keepdim(D::Minus1)? + 1e-24)?.sqrt()?;
    Ok(rows.broadcast_div(&length)?)
}

/// `ln Σ exp` over the last dimension `[n, m] -> [n]`. The largest value is taken out first, as a
/// constant: it changes neither the result nor its gradient.
fn log_sum_exp(logits: &Tensor) -> Result<Tensor> {
    let largest = logits.max_keepdim(D::Minus1)?.detach();
    let sum = logits.broadcast_sub(&largest)?.exp()?.sum(D::Minus1)?;
    Ok((sum.log()? + largest.squeeze(D::Minus1)?)?)
}

/// What is added to logits `[n, n + x]`: -inf where another reply has the text of the true one, else 0.
fn hide(texts: &[u32], like: &Tensor) -> Result<Tensor> {
    let truths = texts.iter().take(like.dim(0)?).enumerate();
    let hidden = truths.flat_map(|(row, truth)| {
        let others = texts.iter().enumerate();
        others.map(
            move |(column, other)| match row != column && truth == other {
                true => f32::NEG_INFINITY,
                false => 0.0,
            },
        )
    });
    Ok(Tensor::from_vec(
        hidden.collect(),
        like.shape(),
        like.device(),
    )?)
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
