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

impl PlainEncoder {
    /// The gradients of all parameters, given that of the pooled states `[n, h]`.
    pub(super) fn gradients_of(&self, tape: Tape, pooled: &Tensor) -> Result<Vec<Tensor>> {
        let places = &tape.places;
        let mut gradients = Gradients(vec![None; self.parameters.count()]);
        let mut states = places.unpool(pooled, tape.pooling)?; // [T, h]
        for (layer, of_layer) in tape.layers.into_iter().enumerate().rev() {
            states = self.layer_backward(layer, &of_layer, places, states, &mut gradients)?;
        }

        let states = masked(states, tape.embedded.mask.as_ref())?;
        let norm = self.layout.norm;
        let states = self.norm_backward(norm, &tape.embedded.summed, &states, &mut gradients)?;
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

    /// A layer's gradients, given that of what it puts out `[T, h]`; returns that of what came in.
    fn layer_backward(
        &self,
        layer: usize,
        tape: &LayerTape,
        places: &Places,
        states: Tensor,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let part = |part| self.layout.part(layer, part);
        let norm = part(Part::FeedForwardNorm);
        let states = self.norm_backward(norm, &tape.contracted, &states, gradients)?;
        let narrow = masked(states.clone(), tape.contract_mask.as_ref())?.to_dtype(self.compute)?;
        let wide = self.linear_backward(part(Part::Contract), 1, &narrow, &tape.wide, gradients)?;
        let expanded = (wide * slope_of_gelu(&tape.expanded)?)?; // [T, f]
        let middle =
            self.linear_backward(part(Part::Expand), 1, &expanded, &tape.middle, gradients)?;
        let states = (states + middle.to_dtype(DType::F32)?)?;

        let norm = part(Part::AttentionNorm);
        let states = self.norm_backward(norm, &tape.attended, &states, gradients)?;
        let attended = masked(states.clone(), tape.output_mask.as_ref())?.to_dtype(self.compute)?;
        let context =
            self.linear_backward(part(Part::Output), 1, &attended, &tape.context, gradients)?;
        let projected = self.attention_backward(tape, places, context)?; // [T, 3h]
        let rows = self.linear_backward(part(Part::Query), 3, &projected, &tape.rows, gradients)?;
        Ok((states + rows.to_dtype(DType::F32)?)?)
    }

    /// The gradient of queries, keys and values `[T, 3h]`, given that of the heads' contexts `[T, h]`.
    fn attention_backward(
        &self,
        tape: &LayerTape,
        places: &Places,
        context: Tensor,
    ) -> Result<Tensor> {
        let (heads, width) = (self.config.heads, self.config.head_width());
        let (m, longest) = (places.m, places.longest);
        let [query, key, value] = three(&tape.split)?; // [m, heads, L, width]
        let context = match tape.attention_mask {
            Some((_, scale)) => (context * scale)?,
            None => context,
        };
        let context = places
            .pad_with_zeros(&context)?
            .reshape((m, longest, heads, width))?
            .transpose(1, 2)?
            .contiguous()?; // [m, heads, L, width]
        let values = tape.kept.t()?.matmul(&context)?;
        let mut kept = context.matmul(&value.t()?)?; // [m, heads, L, L]
        if let Some((mask, _)) = &tape.attention_mask {
            kept = (kept * mask)?;
        }
        // Through the softmax: p · (g - Σ p · g).
        let probabilities = tape.probabilities.to_dtype(DType::F32)?;
        let weighted = (kept.to_dtype(DType::F32)? * &probabilities)?;
        let sums = weighted.sum_keepdim(D::Minus1)?;
        let scores = (weighted - probabilities.broadcast_mul(&sums)?)?;
        let scores = (scores * (1.0 / (width as f64).sqrt()))?.to_dtype(self.compute)?;
        let queries = scores.matmul(&key)?;
        let keys = scores.t()?.matmul(&query)?;
        let split = Tensor::stack(&[queries, keys, values], 0)?; // [3, m, heads, L, width]
        let padded = split
            .permute((1, 3, 0, 2, 4))?
            .reshape((m * longest, 3 * heads * width))?;
        places.pack(&padded)
    }

    /// The gradients of `count` neighbouring linear layers, given that of what they put out `[T, count · out]`; returns
    /// that of what came in `[T, in]`.
    fn linear_backward(
        &self,
        weight: usize,
        count: usize,
        out: &Tensor,
        rows: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let weights = out.t()?.matmul(rows)?; // [count · out, in]
        let biases = summed(out)?; // [count · out]
        let each = biases.dim(0)? / count;
        for i in 0..count {
            gradients.put(weight + 2 * i, weights.narrow(0, i * each, each)?);
            gradients.put(weight + 2 * i + 1, biases.narrow(0, i * each, each)?);
        }
        Ok(out.matmul(&self.parameters.rounded(weight, count)?)?)
    }

    /// A layer norm's gradients, given what came in `[T, h]` and the gradient of what it puts out; returns that of
    /// what came in.
    fn norm_backward(
        &self,
        weight: usize,
        input: &Tensor,
        states: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let centred = input.broadcast_sub(&input.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let deviation = (variance + self.config.norm_epsilon)?.sqrt()?; // [T, 1]
        let unit = centred.broadcast_div(&deviation)?;
        let weighted = (states * &unit)?;
        gradients.put(weight, summed(&weighted)?);
        gradients.put(weight + 1, summed(states)?);
        // Of the unit rows u, d = g · w; of what came in (d - mean d - u · mean(d · u)) / deviation.
        let scale = self.parameters.value(weight)?; // [h]
        let shares = (scale.unsqueeze(1)? / self.config.hidden as f64)?; // [h, 1]
        let mean = states.matmul(&shares)?; // [T, 1]
        let along = unit.broadcast_mul(&weighted.matmul(&shares)?)?;
        let across = states.broadcast_mul(&scale)?.broadcast_sub(&mean)?;
        Ok((across - along)?.broadcast_div(&deviation)?)
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
