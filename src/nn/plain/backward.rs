//! The backward pass, written out, from the last layer to the first.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use candle_core::{D, DType, Tensor};

use super::PlainEncoder;
use super::forward::{LayerTape, Tape, masked, three};
use super::places::{Places, one_hot};
use crate::error::Result;
use crate::nn::weights::{Layout, Part};

/// The gradients of all parameters, as they come to be known. A matrix's are of the type of products.
struct Gradients(Vec<Option<Tensor>>);

impl Gradients {
    fn put(&mut self, parameter: usize, gradient: Tensor) {
        self.0[parameter] = Some(gradient);
    }
}

/// A gradient on its way into a linear layer.
struct Summed {
    /// `[T, out]`, of the type of products.
    rows: Tensor,
    /// The sum of all rows `[out]`, if it is known.
    sum: Option<Tensor>,
}

impl Summed {
    fn later(rows: Tensor) -> Self {
        Self { rows, sum: None }
    }
}

/// The gradient of what a layer norm took in.
struct Normed {
    /// `[T, h]`, f32.
    states: Tensor,
    /// The same through what was dropped on the way there, of the type of products.
    masked: Tensor,
    /// The sum of all its rows, if it is known.
    sum: Option<Tensor>,
}

impl Normed {
    fn summed(&self) -> Summed {
        Summed {
            rows: self.masked.clone(),
            sum: self.sum.clone(),
        }
    }
}

impl PlainEncoder {
    /// The gradients of all parameters, given that of the pooled states `[n, h]`.
    pub(super) fn gradients_of(&self, tape: Tape, pooled: &Tensor) -> Result<Vec<Tensor>> {
        let places = &tape.places;
        let mut gradients = Gradients(vec![None; self.parameters.count()]);
        let mut states = places.unpool(pooled, tape.pooling)?; // [T, h]
        let mut more = None;
        for (layer, of_layer) in tape.layers.into_iter().enumerate().rev() {
            let (sum, rest) =
                self.layer_backward(layer, &of_layer, places, (states, more), &mut gradients)?;
            (states, more) = (sum, Some(rest));
        }

        if let Some(more) = more {
            states = (states + more.to_dtype(DType::F32)?)?;
        }
        let states = masked(states, tape.embedded.mask.as_ref())?;
        let (norm, summed) = (self.layout.norm, &tape.embedded.summed);
        let states = self
            .norm_backward(norm, summed, (states, None), None, &mut gradients)?
            .states;
        // Of each distinct word, then to its place in the vocabulary; where there is none stand zeros.
        let words = one_hot(&places.distinct, &places.ids)?.matmul(&states)?; // [u, h]
        let words = below(&words, 1)?.index_select(&places.place_of_id, 0)?;
        gradients.put(Layout::WORDS, words);
        let tables = [(Some(Layout::POSITIONS), &places.positions, places.longest)];
        let types = (
            self.layout.token_types,
            &places.types,
            self.config.type_vocab,
        );
        for (table, kinds, count) in tables.into_iter().chain([types]) {
            if let Some(table) = table {
                let numbers = places.numbers.narrow(0, 0, count)?;
                let rows = one_hot(&numbers, kinds)?.matmul(&states)?; // [count, h]
                let others = self.parameters.value(table)?.dim(0)? - count;
                gradients.put(table, below(&rows, others)?);
            }
        }
        let none = |gradient: (usize, Option<Tensor>)| match gradient {
            (_, Some(gradient)) => Ok(gradient),
            (parameter, None) => Ok(self.parameters.value(parameter)?.zeros_like()?),
        };
        gradients.0.into_iter().enumerate().map(none).collect()
    }

    /// A layer's gradients, given that of what it puts out `[T, h]`, in two parts; returns that of what came in, also in
    /// two parts: what goes past the attention block, and through it, in the type of products.
    fn layer_backward(
        &self,
        layer: usize,
        tape: &LayerTape,
        places: &Places,
        states: (Tensor, Option<Tensor>),
        gradients: &mut Gradients,
    ) -> Result<(Tensor, Tensor)> {
        let part = |part| self.layout.part(layer, part);
        let (norm, mask) = (part(Part::FeedForwardNorm), tape.contract_mask.as_ref());
        let normed = self.norm_backward(norm, &tape.contracted, states, mask, gradients)?;
        let contract = part(Part::Contract);
        let wide = self.linear_backward(contract, 1, &normed.summed(), &tape.wide, gradients)?;
        let expanded = self.gelu_backward(wide, &tape.expanded)?; // [T, f]
        let (expand, expanded) = (part(Part::Expand), Summed::later(expanded));
        let middle = self.linear_backward(expand, 1, &expanded, &tape.middle, gradients)?;

        let (norm, mask) = (part(Part::AttentionNorm), tape.output_mask.as_ref());
        let states = (normed.states, Some(middle));
        let normed = self.norm_backward(norm, &tape.attended, states, mask, gradients)?;
        let output = part(Part::Output);
        let context =
            self.linear_backward(output, 1, &normed.summed(), &tape.context, gradients)?;
        let projected = Summed::later(self.attention_backward(tape, places, context)?); // [T, 3h]
        let query = part(Part::Query);
        let rows = self.linear_backward(query, 3, &projected, &tape.rows, gradients)?;
        Ok((normed.states, rows))
    }

    /// The gradient of queries, keys and values `[T, 3h]`, given that of the heads' contexts `[T, h]`.
    fn attention_backward(
        &self,
        tape: &LayerTape,
        places: &Places,
        context: Tensor,
    ) -> Result<Tensor> {
        let [query, key, value] = three(&tape.split)?; // [m, heads, L, width]
        let context = self.split_backward(tape, places, context)?; // [m, heads, L, width]
        let values = tape.kept.t()?.matmul(&context)?;
        let kept = context.matmul(&value.t()?)?; // [m, heads, L, L]
        let scores = self.softmax_backward(tape, kept)?;
        let queries = scores.matmul(&key)?;
        let keys = scores.t()?.matmul(&query)?;
        if let Some(kernels) = &self.kernels {
            return kernels.to_tokens([&queries, &keys, &values], places, 1.0);
        }
        let split = Tensor::stack(&[queries, keys, values], 0)?; // [3, m, heads, L, width]
        let rows = (places.m * places.longest, 3 * self.config.hidden);
        places.pack(&split.permute((1, 3, 0, 2, 4))?.reshape(rows)?)
    }

    /// The gradient of the heads' contexts in their rows `[m, heads, L, width]`, zeros where no token stands.
    fn split_backward(&self, tape: &LayerTape, places: &Places, context: Tensor) -> Result<Tensor> {
        let (heads, width) = (self.config.heads, self.config.head_width());
        let scale = tape.attention_mask.as_ref().map(|(_, scale)| *scale);
        if let Some(kernels) = &self.kernels {
            let parts = [1, heads, width];
            let rows = kernels.to_rows(&context, None, places, parts, scale.unwrap_or(1.0))?;
            return Ok(rows.squeeze(0)?);
        }
        let context = match scale {
            Some(scale) => (context * scale)?,
            None => context,
        };
        let rows = places.pad_with_zeros(&context)?;
        let apart = rows.reshape((places.m, places.longest, heads, width))?;
        Ok(apart.transpose(1, 2)?.contiguous()?)
    }

    /// The gradient of attention scores, given that of what was kept of their softmax `[m, heads, L, L]`.
    fn softmax_backward(&self, tape: &LayerTape, kept: Tensor) -> Result<Tensor> {
        let (scale, mask) = (self.score_scale(), tape.attention_mask.as_ref());
        let mask = mask.map(|(mask, _)| mask);
        if let Some(kernels) = &self.kernels {
            return kernels.softmax_backward(&kept, &tape.probabilities, mask, scale);
        }
        let kept = match mask {
            Some(mask) => (kept * mask)?,
            None => kept,
        };
        // p · (g - Σ p · g).
        let probabilities = tape.probabilities.to_dtype(DType::F32)?;
        let weighted = (kept.to_dtype(DType::F32)? * &probabilities)?;
        let sums = weighted.sum_keepdim(D::Minus1)?;
        let scores = (weighted - probabilities.broadcast_mul(&sums)?)?;
        Ok((scores * scale)?.to_dtype(self.compute)?)
    }

    /// The gradient of what GELU took in, given that of what it puts out.
    fn gelu_backward(&self, wide: Tensor, expanded: &Tensor) -> Result<Tensor> {
        match &self.kernels {
            Some(kernels) => kernels.gelu_backward(&wide, expanded),
            None => Ok((wide * slope_of_gelu(expanded)?)?),
        }
    }

    /// The gradients of `count` neighbouring linear layers, given that of what they put out `[T, count · out]`; returns
    /// that of what came in `[T, in]`.
    fn linear_backward(
        &self,
        weight: usize,
        count: usize,
        out: &Summed,
        rows: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let Summed { rows: out, sum } = out;
        let weights = out.t()?.matmul(rows)?; // [count · out, in]
        let biases = match sum {
            Some(sum) => sum.clone(),
            None => summed(out)?,
        }; // [count · out]
        let each = biases.dim(0)? / count;
        for i in 0..count {
            gradients.put(weight + 2 * i, weights.narrow(0, i * each, each)?);
            gradients.put(weight + 2 * i + 1, biases.narrow(0, i * each, each)?);
        }
        Ok(out.matmul(&self.parameters.rounded(weight, count)?)?)
    }

    /// A layer norm's gradients, given what came in `[T, h]` and the gradient of what it puts out, in two parts.
    fn norm_backward(
        &self,
        weight: usize,
        input: &Tensor,
        (states, more): (Tensor, Option<Tensor>),
        mask: Option<&Tensor>,
        gradients: &mut Gradients,
    ) -> Result<Normed> {
        let scale = self.parameters.value(weight)?; // [h]
        if let Some(kernels) = &self.kernels {
            let (states, epsilon) = ((&states, more.as_ref()), self.config.norm_epsilon);
            let [states, masked, sums] =
                kernels.norm_backward(input, states, &scale, mask, epsilon)?;
            gradients.put(weight, sums.get(0)?);
            gradients.put(weight + 1, sums.get(1)?);
            return Ok(Normed {
                states,
                masked,
                sum: Some(sums.get(2)?),
            });
        }
        let states = match more {
            Some(more) => (states + more.to_dtype(DType::F32)?)?,
            None => states,
        };
        let centred = input.broadcast_sub(&input.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let deviation = (variance + self.config.norm_epsilon)?.sqrt()?; // [T, 1]
        let unit = centred.broadcast_div(&deviation)?;
        let weighted = (&states * &unit)?;
        gradients.put(weight, summed(&weighted)?);
        gradients.put(weight + 1, summed(&states)?);
        // Of the unit rows u, d = g · w; of what came in (d - mean d - u · mean(d · u)) / deviation.
        let shares = (scale.unsqueeze(1)? / self.config.hidden as f64)?; // [h, 1]
        let mean = states.matmul(&shares)?; // [T, 1]
        let along = unit.broadcast_mul(&weighted.matmul(&shares)?)?;
        let across = states.broadcast_mul(&scale)?.broadcast_sub(&mean)?;
        let states = (across - along)?.broadcast_div(&deviation)?;
        Ok(Normed {
            masked: masked(states.clone(), mask)?.to_dtype(self.compute)?,
            states,
            sum: None,
        })
    }
}

/// The sum of all rows `[T, h] -> [h]`, as a product: candle's own sum of columns is slow on a GPU.
fn summed(rows: &Tensor) -> Result<Tensor> {
    let ones = Tensor::ones((1, rows.dim(0)?), rows.dtype(), rows.device())?;
    Ok(ones.matmul(rows)?.squeeze(0)?)
}

/// Rows with `count` rows of zeros below them.
fn below(rows: &Tensor, count: usize) -> Result<Tensor> {
    let zeros = Tensor::zeros((count, rows.dim(1)?), rows.dtype(), rows.device())?;
    match count {
        0 => Ok(rows.clone()),
        _ => Ok(Tensor::cat(&[rows, &zeros], 0)?),
    }
}

/// The derivative of GELU, `Φ(x) + x · φ(x)`, with φ the density of the normal distribution and Φ its integral;
/// computed in f32, of the type of `x`.
fn slope_of_gelu(x: &Tensor) -> Result<Tensor> {
    let exact = x.to_dtype(DType::F32)?;
    let integral = (&exact * FRAC_1_SQRT_2)?.erf()?.affine(0.5, 0.5)?;
    let density = exact.sqr()?.affine(-0.5, -0.5 * (2.0 * PI).ln())?.exp()?;
    Ok((integral + (density * exact)?)?.to_dtype(x.dtype())?)
}
