//! The two towers of a batch, queries and replies, out of the encoder's pooled states, and the way
//! back for their gradients: what [`crate::model::query`] does to finished vectors.

use candle_core::Tensor;

use super::losses::Units;
use crate::error::Result;
use crate::model::query::CONTEXT_WEIGHT;

/// The queries and replies of `n` exchanges, `m` of them with a context.
#[derive(Debug)]
pub(crate) struct Towers {
    /// The queries' vectors, of any length `[n, hidden]`.
    pub queries: Tensor,
    /// The replies' states, first the true ones, then more negatives `[n + x, hidden]`.
    pub replies: Tensor,
    /// Where there are contexts: the unit rows of texts and contexts `[n + m, hidden]`, and before which query each
    /// context stands `[m]`.
    composed: Option<(Units, Tensor)>,
}

impl Towers {
    /// Takes apart pooled states: of the words of `n` queries, of the contexts, of the replies
    /// `[n + m + n + x, hidden]`. Context `i` stands before query `owners[i]`.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(crate) fn of(pooled: &Tensor, n: usize, owners: &[u32]) -> Result<Self> {
        let m = owners.len();
        let others = pooled.dim(0)? - n - m;
        let texts = pooled.narrow(0, 0, n)?.detach(); // [n, h]
        let replies = pooled.narrow(0, n + m, others)?.detach(); // [n + x, h]
        if m == 0 {
            return Ok(Self {
                queries: texts,
                replies,
                composed: None,
            });
        }
        let units = Units::of(&pooled.narrow(0, 0, n + m)?)?; // [n + m, h]
        // Of each query its context, or a row of zeros behind them.
        let mut places = vec![m as u32; n];
        for (context, &owner) in (0..).zip(owners) {
            places[owner as usize] = context;
        }
        let places = Tensor::from_vec(places, n, pooled.device())?;
        let zeros = Tensor::zeros((1, pooled.dim(1)?), pooled.dtype(), pooled.device())?;
        let contexts = Tensor::cat(&[&units.rows.narrow(0, n, m)?, &zeros], 0)?; // [m + 1, h]
        let weighted = (contexts.index_select(&places, 0)? * f64::from(CONTEXT_WEIGHT))?; // [n, h]
        Ok(Self {
            queries: (units.rows.narrow(0, 0, n)? + weighted)?,
            replies,
            composed: Some((units, Tensor::new(owners, pooled.device())?)),
        })
    }

    /// The gradient with respect to the pooled states `[n + m + n + x, hidden]`, given those with
    /// respect to the queries and the replies.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(crate) fn backward(&self, queries: &Tensor, replies: &Tensor) -> Result<Tensor> {
        let Some((units, owners)) = &self.composed else {
            return Ok(Tensor::cat(&[queries, replies], 0)?);
        };
        let contexts = (queries.index_select(owners, 0)? * f64::from(CONTEXT_WEIGHT))?; // [m, h]
        let both = units.backward(&Tensor::cat(&[queries, &contexts], 0)?)?; // [n + m, h]
        Ok(Tensor::cat(&[&both, replies], 0)?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// Two exchanges, the second with a context; a weighted sum stands for the loss.
    #[test]
    fn gradients_reach_words_contexts_and_replies() {
        let states: Vec<f32> = (0..5 * 3)
            .map(|i| ((i * 7 % 11) as f32 - 4.0) / 3.0)
            .collect();
        let weights: Vec<f32> = (0..4 * 3)
            .map(|i| ((i * 5 % 13) as f32 - 6.0) / 5.0)
            .collect();
        let tensor = |values: &[f32]| {
            Tensor::from_slice(values, (values.len() / 3, 3), &Device::Cpu).unwrap()
        };
        let loss = |states: &[f32]| {
            let towers = Towers::of(&tensor(states), 2, &[1]).unwrap();
            let out = Tensor::cat(&[&towers.queries, &towers.replies], 0).unwrap();
            let sum = (out * tensor(&weights)).unwrap().sum_all().unwrap();
            f64::from(sum.to_scalar::<f32>().unwrap())
        };
        let towers = Towers::of(&tensor(&states), 2, &[1]).unwrap();
        let gradient = towers
            .backward(&tensor(&weights[..6]), &tensor(&weights[6..]))
            .unwrap();
        let gradient: Vec<f32> = gradient.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(gradient.len(), 15);
        for i in 0..states.len() {
            let moved = |by: f32| {
                let mut states = states.clone();
                states[i] += by;
                loss(&states)
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!(
                (slope - f64::from(gradient[i])).abs() < 2e-3,
                "{i}: {slope} {}",
                gradient[i]
            );
        }
    }

    #[test]
    fn without_contexts_the_states_pass_through() {
        let states = Tensor::arange(0f32, 12.0, &Device::Cpu)
            .unwrap()
            .reshape((4, 3))
            .unwrap();
        let towers = Towers::of(&states, 2, &[]).unwrap();
        let back = towers.backward(&towers.queries, &towers.replies).unwrap();
        let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(flat(&back), flat(&states));
    }
}
