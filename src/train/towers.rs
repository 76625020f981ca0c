//! The two towers of a batch, queries and replies, out of the encoder's pooled states, and the way
//! back for their gradients: what [`crate::model::query`] does to finished vectors, in candle
//! operations that can be differentiated.

use candle_core::{Tensor, Var};

use super::losses::unit;
use crate::error::Result;
use crate::model::query::CONTEXT_WEIGHT;

/// The queries and replies of `n` exchanges, `m` of them with a context.
#[derive(Debug)]
pub(crate) struct Towers {
    /// The queries' vectors, of any length `[n, hidden]`.
    pub queries: Tensor,
    /// The replies' states, first the true ones, then more negatives `[n + x, hidden]`.
    pub replies: Tensor,
    /// Where there are contexts: the states that the queries are made of, and what came out.
    composed: Option<Composed>,
}

#[derive(Debug)]
struct Composed {
    texts: Var,
    contexts: Var,
    queries: Tensor,
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
        let texts = Var::from_tensor(&texts)?;
        let contexts = Var::from_tensor(&pooled.narrow(0, n, m)?.detach())?; // [m, h]
        let owners = Tensor::new(owners, pooled.device())?; // [m]
        let weighted = (unit(&contexts)? * f64::from(CONTEXT_WEIGHT))?; // [m, h]
        let queries = unit(&texts)?.index_add(&owners, &weighted, 0)?; // [n, h]
        Ok(Self {
            queries: queries.detach(),
            replies,
            composed: Some(Composed {
                texts,
                contexts,
                queries,
            }),
        })
    }

    /// The gradient with respect to the pooled states `[n + m + n + x, hidden]`, given those with
    /// respect to the queries and the replies.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(crate) fn backward(&self, queries: &Tensor, replies: &Tensor) -> Result<Tensor> {
        let Some(composed) = &self.composed else {
            return Ok(Tensor::cat(&[queries, replies], 0)?);
        };
        let store = (&composed.queries * queries.detach())?
            .sum_all()?
            .backward()?;
        let of = |leaf: &Var| match store.get(leaf.as_tensor()) {
            Some(gradient) => Ok(gradient.detach()),
            None => leaf.zeros_like(),
        };
        let (texts, contexts) = (of(&composed.texts)?, of(&composed.contexts)?);
        Ok(Tensor::cat(&[&texts, &contexts, replies], 0)?)
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
