//! What a forward pass keeps for the backward pass.

use crate::nn::encoder::Pooling;

/// What the backward pass needs of a chunk's forward pass.
pub(super) struct Tape {
    pub(super) ids: Vec<u32>,
    pub(super) types: Vec<u32>,
    pub(super) offsets: Vec<usize>,
    pub(super) pooling: Pooling,
    pub(super) dropout: Option<u64>,
    /// Normed embeddings `[T, h]`, and the norm's rates `[T]`.
    pub(super) embedded: Normed,
    pub(super) layers: Vec<LayerTape>,
}

pub(super) struct LayerTape {
    /// Queries, keys and values `[T, 3h]`.
    pub(super) projected: Vec<f32>,
    /// Attention probabilities before dropout `[heads, l, l]` for each sequence.
    pub(super) probabilities: Vec<f32>,
    /// What the heads saw `[T, h]`.
    pub(super) context: Vec<f32>,
    pub(super) attention: Normed,
    /// The feed-forward block's inside before GELU `[T, f]`.
    pub(super) wide: Vec<f32>,
    pub(super) feed_forward: Normed,
}

/// The output of a layer norm before its weight and bias `[T, h]`, and `1 / deviation` `[T]`.
pub(super) struct Normed {
    pub(super) values: Vec<f32>,
    pub(super) rates: Vec<f32>,
}

impl LayerTape {
    pub(super) fn into_buffers(self) -> [Vec<f32>; 8] {
        [
            self.projected,
            self.probabilities,
            self.context,
            self.attention.values,
            self.attention.rates,
            self.wide,
            self.feed_forward.values,
            self.feed_forward.rates,
        ]
    }
}
