//! The parameters of an encoder: their names, shapes and order, and their values on the host.
//!
//! One order serves everything: kernels, optimizer, gradients, checkpoints. Names are Hugging
//! Face's own for the family, without the prefix (`bert.`, `distilbert.`) that heads put in front.

use std::borrow::Cow;

use candle_core::DType;

use super::config::{Config, Family};
use super::int8::Rows;
use crate::error::{Error, Result};
use crate::folder::Bytes;

/// Name, shape and treatment of one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Hugging Face's name.
    pub name: String,
    /// Its shape; linear weights are `[out, in]`.
    pub shape: Vec<usize>,
    /// Whether weight decay applies: not to biases and norms.
    pub decays: bool,
}

impl Spec {
    /// A parameter of that name and shape; biases and layer norms do not decay.
    pub fn new(name: impl Into<String>, shape: &[usize]) -> Self {
        let name = name.into();
        let lower = name.to_ascii_lowercase();
        Self {
            decays: !(lower.ends_with(".bias") || lower.contains("norm")),
            shape: shape.to_vec(),
            name,
        }
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Values of one tensor: owned, or where they lie in a mapped file.
#[derive(Debug, Clone)]
pub enum Values {
    /// In memory, f32.
    Owned(Vec<f32>),
    /// In a mapped file: `len` values of `dtype` from byte `start`, aligned for their type.
    Mapped {
        /// The file.
        map: Bytes,
        /// First byte.
        start: usize,
        /// Number of values.
        len: usize,
        /// F32, F16 or BF16.
        dtype: DType,
    },
    /// A matrix in eight bits, in a mapped file.
    Int8(Rows),
}

/// The tensors of an encoder, in the order of [`encoder_specs`].
#[derive(Debug, Clone)]
pub struct Weights {
    /// The architecture that they belong to.
    pub config: Config,
    /// Values, by parameter.
    pub values: Vec<Values>,
}

impl Values {
    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Owned(values) => values.len(),
            Self::Mapped { len, .. } => *len,
            Self::Int8(rows) => rows.len(),
        }
    }

    /// Whether all of them are numbers: neither NaN nor infinite. Those in eight bits always are.
    pub(crate) fn are_numbers(&self) -> bool {
        fn all<T: Copy>(values: &[T], is_number: impl Fn(T) -> bool) -> bool {
            // Without a way out in the middle, many are looked at in one instruction.
            let block = |values: &[T]| values.iter().fold(true, |all, &one| all & is_number(one));
            values.chunks(4096).all(block)
        }
        match self {
            Self::Owned(values) => all(values, f32::is_finite),
            Self::Int8(_) => true,
            Self::Mapped {
                map,
                start,
                len,
                dtype,
            } => {
                let bytes = &map[*start..][..*len * dtype.size_in_bytes()];
                match dtype {
                    DType::F32 => all(bytemuck::cast_slice(bytes), f32::is_finite),
                    DType::BF16 => all(bytemuck::cast_slice(bytes), half::bf16::is_finite),
                    _ => all(bytemuck::cast_slice(bytes), half::f16::is_finite),
                }
            }
        }
    }

    /// All values as f32: borrowed where they are stored so, else converted.
    pub fn to_f32(&self) -> Cow<'_, [f32]> {
        match self.as_f32() {
            Some(values) => Cow::Borrowed(values),
            None => {
                let mut values = vec![0.0; self.len()];
                self.read(0, &mut values);
                Cow::Owned(values)
            }
        }
    }

    /// All values, where they are stored as f32.
    pub(crate) fn as_f32(&self) -> Option<&[f32]> {
        match self {
            Self::Owned(values) => Some(values),
            Self::Mapped {
                map,
                start,
                len,
                dtype: DType::F32,
            } => Some(bytemuck::cast_slice(&map[*start..*start + *len * 4])),
            Self::Mapped { .. } | Self::Int8(_) => None,
        }
    }

    /// Reads `out.len()` values from value `from` on, converting what is stored in fewer bits.
    ///
    /// # Panics
    /// When the range is outside the tensor.
    pub(crate) fn read(&self, from: usize, out: &mut [f32]) {
        use half::slice::HalfFloatSliceExt;
        match self {
            Self::Owned(values) => out.copy_from_slice(&values[from..from + out.len()]),
            Self::Int8(rows) => rows.read(from, out),
            Self::Mapped {
                map,
                start,
                len,
                dtype,
            } => {
                assert!(from + out.len() <= *len, "read past the end of a tensor");
                let size = dtype.size_in_bytes();
                let bytes = &map[*start + from * size..][..out.len() * size];
                match dtype {
                    DType::F32 => out.copy_from_slice(bytemuck::cast_slice(bytes)),
                    DType::BF16 => {
                        bytemuck::cast_slice::<u8, half::bf16>(bytes).convert_to_f32_slice(out)
                    }
                    _ => bytemuck::cast_slice::<u8, half::f16>(bytes).convert_to_f32_slice(out),
                }
            }
        }
    }
}

/// The 16 parameters of one layer, in their order in [`encoder_specs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Projects hidden states to queries.
    Query,
    /// … to keys.
    Key,
    /// … to values.
    Value,
    /// Projects the heads' contexts back.
    Output,
    /// Norm after attention.
    AttentionNorm,
    /// First linear layer of the feed-forward block.
    Expand,
    /// Second linear layer of the feed-forward block.
    Contract,
    /// Norm after the feed-forward block.
    FeedForwardNorm,
}

/// Parameters in front of the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Index of the token type embeddings, where there are any.
    pub token_types: Option<usize>,
    /// Index of the embedding norm's weight; its bias follows.
    pub norm: usize,
}

impl Layout {
    /// Index of the word embeddings.
    pub const WORDS: usize = 0;
    /// Index of the position embeddings.
    pub(crate) const POSITIONS: usize = 1;

    /// The layout of an architecture.
    pub(crate) fn of(config: &Config) -> Self {
        match config.family {
            Family::Bert => Self {
                token_types: Some(2),
                norm: 3,
            },
            Family::DistilBert => Self {
                token_types: None,
                norm: 2,
            },
        }
    }

    /// Index of the weight of a layer's part; its bias follows.
    pub(crate) fn part(&self, layer: usize, part: Part) -> usize {
        self.norm + 2 + layer * 16 + part as usize * 2
    }
}

/// Names and shapes of an encoder's parameters, in homer's order.
pub fn encoder_specs(config: &Config) -> Vec<Spec> {
    let Config {
        hidden,
        intermediate,
        ..
    } = *config;
    let mut specs = vec![
        Spec::new("embeddings.word_embeddings.weight", &[config.vocab, hidden]),
        Spec::new(
            "embeddings.position_embeddings.weight",
            &[config.max_positions, hidden],
        ),
    ];
    if config.family == Family::Bert {
        specs.push(Spec::new(
            "embeddings.token_type_embeddings.weight",
            &[config.type_vocab, hidden],
        ));
    }
    let mut pair = |name: String, shape: &[usize]| {
        specs.push(Spec::new(format!("{name}.weight"), shape));
        specs.push(Spec::new(format!("{name}.bias"), &shape[..1]));
    };
    pair("embeddings.LayerNorm".into(), &[hidden]);
    for layer in 0..config.layers {
        let (stem, names) = match config.family {
            Family::Bert => (
                format!("encoder.layer.{layer}"),
                [
                    "attention.self.query",
                    "attention.self.key",
                    "attention.self.value",
                    "attention.output.dense",
                    "attention.output.LayerNorm",
                    "intermediate.dense",
                    "output.dense",
                    "output.LayerNorm",
                ],
            ),
            Family::DistilBert => (
                format!("transformer.layer.{layer}"),
                [
                    "attention.q_lin",
                    "attention.k_lin",
                    "attention.v_lin",
                    "attention.out_lin",
                    "sa_layer_norm",
                    "ffn.lin1",
                    "ffn.lin2",
                    "output_layer_norm",
                ],
            ),
        };
        let shapes: [&[usize]; 8] = [
            &[hidden, hidden],
            &[hidden, hidden],
            &[hidden, hidden],
            &[hidden, hidden],
            &[hidden],
            &[intermediate, hidden],
            &[hidden, intermediate],
            &[hidden],
        ];
        for (name, shape) in names.iter().zip(shapes) {
            pair(format!("{stem}.{name}"), shape);
        }
    }
    specs
}

impl Weights {
    /// Whether these are weights of that architecture.
    ///
    /// # Errors
    /// The number or the sizes of the tensors differ.
    pub(crate) fn check(&self, config: &Config) -> Result<()> {
        let specs = encoder_specs(config);
        let same = specs.len() == self.values.len()
            && specs
                .iter()
                .zip(&self.values)
                .all(|(spec, values)| spec.len() == values.len());
        if same {
            Ok(())
        } else {
            Err(Error::Misuse(
                "these weights belong to an encoder of another architecture".into(),
            ))
        }
    }

    /// Random weights as the families initialise them: normal with deviation 0.02 for matrices,
    /// one and zero for norms, zero for biases. For tests and for training from nothing.
    pub fn random(config: &Config, seed: u64) -> Self {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let values = encoder_specs(config)
            .iter()
            .map(|spec| {
                let fill = if !spec.decays {
                    Some(if spec.name.ends_with(".weight") {
                        1.0
                    } else {
                        0.0
                    })
                } else {
                    None
                };
                Values::Owned(
                    (0..spec.len())
                        .map(|_| fill.unwrap_or_else(|| normal(rng.random(), rng.random()) * 0.02))
                        .collect(),
                )
            })
            .collect();
        Self {
            config: config.clone(),
            values,
        }
    }
}

/// Box and Muller's normal variate from two uniform ones in 0..1.
pub(crate) fn normal(u: f32, v: f32) -> f32 {
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}
