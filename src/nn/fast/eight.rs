//! The products of the layers in whole numbers, where the weights are stored so and the processor has
//! instructions for it.

use rayon::prelude::*;

use crate::nn::kernels::eight::{Linear, Stored, Then, available};
use crate::nn::weights::{Layout, Part, Values, Weights};

/// The linear maps of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Map {
    /// Queries, keys and values, side by side.
    Projections,
    /// Contexts of all heads back to the width of the states.
    Output,
    /// Into the feed-forward block.
    Expand,
    /// Out of it.
    Contract,
}

impl Map {
    const ALL: [Self; 4] = [
        Self::Projections,
        Self::Output,
        Self::Expand,
        Self::Contract,
    ];

    /// What it is made from, in the order of its outputs.
    pub(super) fn parts(self) -> &'static [Part] {
        match self {
            Self::Projections => &[Part::Query, Part::Key, Part::Value],
            Self::Output => &[Part::Output],
            Self::Expand => &[Part::Expand],
            Self::Contract => &[Part::Contract],
        }
    }
}

/// The linear maps of all layers.
pub(super) struct EightBits(Vec<Linear>);

impl EightBits {
    /// `None` where the weights are not stored in eight bits, or floats are as fast here.
    pub(super) fn of(weights: &Weights, layout: &Layout) -> Option<Self> {
        if !available() {
            return None;
        }
        let config = &weights.config;
        (0..config.layers * Map::ALL.len())
            .into_par_iter()
            .map(|index| {
                let (layer, map) = (index / Map::ALL.len(), Map::ALL[index % Map::ALL.len()]);
                let inner = match map {
                    Map::Contract => config.intermediate,
                    _ => config.hidden,
                };
                let at = |part: &Part| layout.part(layer, *part);
                let biases: Vec<_> = map
                    .parts()
                    .iter()
                    .map(|part| weights.values[at(part) + 1].to_f32())
                    .collect();
                let parts: Option<Vec<_>> = map
                    .parts()
                    .iter()
                    .zip(&biases)
                    .map(|(part, bias)| match &weights.values[at(part)] {
                        Values::Int8(rows) => Some(Stored {
                            numbers: rows.numbers(),
                            scales: rows.scales(),
                            bias,
                        }),
                        _ => None,
                    })
                    .collect();
                Linear::new(&parts?, inner)
            })
            .collect::<Option<_>>()
            .map(Self)
    }

    /// `x [T, in] -> y [T, out]`, which [`Map::Expand`] ends with GELU.
    pub(super) fn forward(&self, layer: usize, map: Map, x: &[f32], y: &mut [f32]) {
        let then = match map {
            Map::Expand => Then::Gelu,
            Map::Projections | Map::Output | Map::Contract => Then::Keep,
        };
        self.0[layer * Map::ALL.len() + map as usize].forward(x, y, then);
    }
}
