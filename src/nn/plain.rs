//! The encoder in candle operations: it runs on any device, candle differentiates it, and the
//! fast encoder is tested against it.
//!
//! Follows `BertModel` (Devlin et al., 2019) and `DistilBertModel` (Sanh et al., 2019) as
//! transformers computes them. Only composed operations are used: candle's fused layer norm and
//! softmax have no backward pass and would stop the gradient without a word. Nothing in a forward or
//! backward pass is read back from the device. Rows are moved by products and by `Padding`, because the
//! gradient of candle's `index_select` goes through them one after the other on a GPU; only the
//! word embeddings and `[CLS]` pooling still do.
//!
//! In the comments `T` is the number of tokens in the batch, `n` of sequences, `L` the length of
//! the longest one, `h` the hidden width.

use candle_core::{D, DType, Device, Tensor, Var};

use super::config::Config;
use super::dropout;
use super::dropout::{Mask, Site};
use super::encoder::{Encoder, Pooling};
use super::host;
use super::optimizer::{AdamW, Moments, VarAdamW};
use super::packed::Packed;
use super::padding::Padding;
use super::weights::{Layout, Part, Spec, Values, Weights, encoder_specs};
use crate::error::{Error, Result};

/// An encoder whose parameters are candle variables.
pub(crate) struct PlainEncoder {
    config: Config,
    layout: Layout,
    device: Device,
    /// What the products are computed in; parameters, norms and softmax stay f32.
    compute: DType,
    parameters: Vec<Var>,
    optimizer: VarAdamW,
    /// The pooled output of the last forward, with its graph.
    output: Option<Tensor>,
}

impl PlainEncoder {
    /// An encoder on `device` with these weights; `compute` is the type of the matrix products.
    ///
    /// # Errors
    /// The tensors cannot be made on the device.
    pub(crate) fn new(weights: &Weights, device: &Device, compute: DType) -> Result<Self> {
        let specs = encoder_specs(&weights.config);
        let parameters = specs
            .iter()
            .zip(&weights.values)
            .map(|(spec, values)| {
                let tensor = Tensor::from_slice(&values.to_f32(), spec.shape.as_slice(), device)?;
                Ok(Var::from_tensor(&tensor)?)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            layout: Layout::of(&weights.config),
            config: weights.config.clone(),
            device: device.clone(),
            compute,
            optimizer: VarAdamW::new(specs.iter().map(|spec| spec.decays).collect()),
            parameters,
            output: None,
        })
    }

    /// Hidden states of the last layer `[T, h]`.
    fn hidden(&self, batch: &Packed, dropout: Option<u64>) -> Result<Tensor> {
        batch.check(&self.config)?;
        let p = self.config.hidden_dropout;
        let padding = Padding::new(batch, &self.device)?;

        let ids = Tensor::new(batch.ids.as_slice(), &self.device)?; // [T]
        let mut x = self.parameters[Layout::WORDS].embedding(&ids)?; // [T, h]
        x = (x + self.positions(&padding)?)?;
        if let Some(token_types) = self.layout.token_types {
            let table = &self.parameters[token_types]; // [types, h]
            x = (x + one_hot(&batch.types, table.dim(0)?, &self.device)?.matmul(table)?)?;
        }
        let x = self.norm(&x, self.layout.norm)?;
        let mut x = self.drop(x, Mask::new(dropout, Site::Embeddings, p))?;

        for layer in 0..self.config.layers {
            let part = |part| self.layout.part(layer, part);
            let attended = self.attention(&x, layer, &padding, dropout)?; // [T, h]
            let attended = self.linear(&attended, part(Part::Output))?;
            let attended = self.drop(
                attended,
                Mask::new(dropout, Site::AttentionOutput(layer), p),
            )?;
            let middle = self.norm(&(x + attended)?, part(Part::AttentionNorm))?;

            let wide = self.linear(&middle, part(Part::Expand))?.gelu_erf()?; // [T, intermediate]
            let narrow = self.linear(&wide, part(Part::Contract))?;
            let narrow = self.drop(
                narrow,
                Mask::new(dropout, Site::FeedForwardOutput(layer), p),
            )?;
            x = self.norm(&(middle + narrow)?, part(Part::FeedForwardNorm))?;
        }
        Ok(x)
    }

    /// The position embeddings of all tokens `[T, h]`: those of a padded batch, packed, so that
    /// their gradient is a sum over sequences.
    fn positions(&self, padding: &Padding) -> Result<Tensor> {
        let (n, longest, hidden) = (padding.n, padding.longest, self.config.hidden);
        let places = self.parameters[Layout::POSITIONS]
            .narrow(0, 0, longest)?
            .broadcast_left(n)? // [n, L, h]
            .reshape((n * longest, hidden))?;
        padding.pack(&places)
    }

    /// Multi-head self-attention within each sequence `[T, h] -> [T, h]`, without its output
    /// projection. This is the one place where sequences are padded.
    fn attention(
        &self,
        x: &Tensor,
        layer: usize,
        padding: &Padding,
        dropout: Option<u64>,
    ) -> Result<Tensor> {
        let (heads, width) = (self.config.heads, self.config.head_width());
        let (n, longest) = (padding.n, padding.longest);
        let split = |part| -> Result<Tensor> {
            let rows = self
                .linear(x, self.layout.part(layer, part))?
                .to_dtype(self.compute)?;
            Ok(padding
                .pad(&rows)? // [n * L, h]
                .reshape((n, longest, heads, width))?
                .transpose(1, 2)?
                .contiguous()?) // [n, heads, L, width]
        };
        let (query, key, value) = (split(Part::Query)?, split(Part::Key)?, split(Part::Value)?);
        let scale = 1.0 / (width as f64).sqrt();
        let scores = (query
            .matmul(&key.t()?.contiguous()?)?
            .to_dtype(DType::F32)?
            * scale)?; // [n, heads, L, L]
        // exp(-inf) is exactly 0: hidden keys have no weight, and no denormals slow the products.
        let scores = scores.broadcast_add(&padding.hide)?;
        let probabilities = candle_nn::ops::softmax(&scores, D::Minus1)?;
        let mask = Mask::new(
            dropout,
            Site::Attention(layer),
            self.config.attention_dropout,
        );
        let probabilities = match mask {
            Some(mask) => (probabilities * self.attention_factors(mask, padding)?)?,
            None => probabilities,
        };
        let context = probabilities.to_dtype(self.compute)?.matmul(&value)?; // [n, heads, L, width]
        let places = context
            .transpose(1, 2)?
            .reshape((n * longest, self.config.hidden))?;
        Ok(padding.pack(&places)?.to_dtype(DType::F32)?) // [T, h]
    }

    /// `x · Wᵀ + b`, `[T, in] -> [T, out]`.
    fn linear(&self, x: &Tensor, weight: usize) -> Result<Tensor> {
        let product = x
            .to_dtype(self.compute)?
            .matmul(&self.parameters[weight].to_dtype(self.compute)?.t()?)?
            .to_dtype(DType::F32)?;
        Ok(product.broadcast_add(&self.parameters[weight + 1])?)
    }

    /// Layer norm over the last dimension.
    fn norm(&self, x: &Tensor, weight: usize) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let deviation = (variance + self.config.norm_epsilon)?.sqrt()?;
        Ok(centred
            .broadcast_div(&deviation)?
            .broadcast_mul(&self.parameters[weight])?
            .broadcast_add(&self.parameters[weight + 1])?)
    }

    /// Dropout on packed states `[T, h]`.
    fn drop(&self, x: Tensor, mask: Option<Mask>) -> Result<Tensor> {
        let Some(mask) = mask else { return Ok(x) };
        let factors = if self.device.is_cpu() {
            Tensor::from_vec(mask.factors(0, x.elem_count()), x.shape(), &self.device)?
        } else {
            mask.factors_on_device(x.shape(), &self.device)?
        };
        Ok((x * factors)?)
    }

    /// Dropout factors of padded attention probabilities `[n, heads, L, L]`. An element has the
    /// index that it has where sequences are packed, `heads × length × length` each.
    fn attention_factors(&self, mask: Mask, padding: &Padding) -> Result<Tensor> {
        let (heads, longest) = (self.config.heads, padding.longest);
        let shape = (padding.n, heads, longest, longest);
        if !self.device.is_cpu() {
            return mask.factors_on_device(&shape.into(), &self.device);
        }
        let mut factors = vec![0f32; padding.n * heads * longest * longest];
        let mut index = 0;
        for (sequence, &length) in padding.lengths.iter().enumerate() {
            for head in 0..heads {
                for row in 0..length {
                    let start = ((sequence * heads + head) * longest + row) * longest;
                    for factor in &mut factors[start..start + length] {
                        *factor = mask.factor(index);
                        index += 1;
                    }
                }
            }
        }
        Ok(Tensor::from_vec(factors, shape, &self.device)?)
    }

    /// `[T, h] -> [n, h]`.
    fn pool(&self, hidden: &Tensor, batch: &Packed, pooling: Pooling) -> Result<Tensor> {
        match pooling {
            Pooling::First => {
                let first: Vec<u32> = batch.offsets[..batch.len()]
                    .iter()
                    .map(|&o| o as u32)
                    .collect();
                Ok(hidden.index_select(&Tensor::new(first, &self.device)?, 0)?)
            }
            Pooling::Mean => {
                let tokens = batch.tokens();
                let mut shares = vec![0f32; batch.len() * tokens]; // [n, T]
                for sequence in 0..batch.len() {
                    let range = batch.range(sequence);
                    let share = 1.0 / range.len() as f32;
                    shares[sequence * tokens..][range].fill(share);
                }
                let shares = Tensor::from_vec(shares, (batch.len(), tokens), &self.device)?;
                Ok(shares.matmul(hidden)?)
            }
        }
    }
}

impl Encoder for PlainEncoder {
    fn config(&self) -> &Config {
        &self.config
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn encode(&self, batch: &Packed, pooling: Pooling) -> Result<Tensor> {
        Ok(self
            .pool(&self.hidden(batch, None)?, batch, pooling)?
            .detach())
    }

    fn forward(
        &mut self,
        batch: &Packed,
        pooling: Pooling,
        dropout: Option<u64>,
    ) -> Result<Tensor> {
        if let Some(seed) = dropout {
            dropout::seed_device(&self.device, seed)?;
        }
        let pooled = self.pool(&self.hidden(batch, dropout)?, batch, pooling)?;
        let detached = pooled.detach();
        self.output = Some(pooled);
        Ok(detached)
    }

    fn backward(&mut self, grad: &Tensor) -> Result<()> {
        let output = self.output.take().ok_or_else(no_forward)?;
        let store = (output * grad.detach())?.sum_all()?.backward()?;
        self.optimizer.accumulate(&self.parameters, &store)
    }

    fn grad_norm_squared(&self) -> Result<Tensor> {
        self.optimizer.grad_norm_squared(&self.device)
    }

    fn step(&mut self, adamw: &AdamW, lr: f64, scale: &Tensor) -> Result<()> {
        self.optimizer.step(&self.parameters, adamw, lr, scale)
    }

    fn weights(&self) -> Result<Weights> {
        let values = self
            .parameters
            .iter()
            .map(|var| Ok(Values::Owned(host::values(var)?)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Weights {
            config: self.config.clone(),
            values,
        })
    }

    fn gradients(&self) -> Result<Vec<Vec<f32>>> {
        self.optimizer.gradients(&self.parameters)
    }

    fn moments(&self) -> Result<Moments> {
        self.optimizer.moments(&self.parameters)
    }

    fn set_weights(&mut self, weights: &Weights) -> Result<()> {
        weights.check(&self.config)?;
        let specs: Vec<Spec> = encoder_specs(&self.config);
        for ((var, spec), values) in self.parameters.iter().zip(&specs).zip(&weights.values) {
            let tensor = Tensor::from_slice(&values.to_f32(), spec.shape.as_slice(), &self.device)?;
            var.set(&tensor)?;
        }
        Ok(())
    }

    fn set_moments(&mut self, moments: &Moments) -> Result<()> {
        self.optimizer.set_moments(&self.parameters, moments)
    }
}

/// `[T, kinds]`, to take rows of a table by a product, whose gradient is a product as well.
fn one_hot(kinds: &[u32], count: usize, device: &Device) -> Result<Tensor> {
    let mut values = vec![0f32; kinds.len() * count];
    for (row, &kind) in kinds.iter().enumerate() {
        values[row * count + kind as usize] = 1.0;
    }
    Ok(Tensor::from_vec(values, (kinds.len(), count), device)?)
}

/// The error of a backward pass that nothing preceded.
pub(super) fn no_forward() -> Error {
    Error::Misuse("the encoder's backward pass needs a forward pass before it".into())
}
