//! A model folder read whole: architecture, weights, tokenizer, settings.

use super::checkpoint::Checkpoint;
use super::tokenizer::Tokenizer;
use crate::error::{Error, Remedy, Result};
use crate::folder::Folder;
use crate::nn::config::Config;
use crate::nn::device::Compute;
use crate::nn::encoder::Encoder;
use crate::nn::fast::FastEncoder;
use crate::nn::plain::PlainEncoder;
use crate::nn::weights::Weights;

/// What a model folder holds, before a model is made of it.
pub(crate) struct ModelFolder {
    /// The architecture.
    pub config: Config,
    /// The weights, mapped where the file allows it.
    pub checkpoint: Checkpoint,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
}

impl ModelFolder {
    /// Opens a folder in Hugging Face's layout.
    ///
    /// # Errors
    /// A file is missing or damaged, the family is unknown, or the tokenizer has an id for which the
    /// encoder has no embedding.
    pub(crate) fn open(folder: impl Into<Folder>) -> Result<Self> {
        let folder = &folder.into();
        if !folder.is_there() {
            return Err(Error::model(
                folder.to_path_buf(),
                "there is no such model folder",
                Remedy::None,
            ));
        }
        let config = Config::read(folder)?;
        let checkpoint = Checkpoint::open(folder)?;
        if let Some(others) = checkpoint.left_out(&[]) {
            tracing::info!("{folder}: beside the encoder, it holds {others}");
        }
        let tokenizer = Tokenizer::load(folder)?;
        if tokenizer.ids() > config.vocab {
            return Err(Error::model(
                folder.to_path_buf(),
                format!(
                    "its tokenizer has {} entries with ids below {}, its encoder embeds {}: these files are \
                     of two models",
                    tokenizer.entries(),
                    tokenizer.ids(),
                    config.vocab
                ),
                Remedy::None,
            ));
        }
        Ok(Self {
            config,
            checkpoint,
            tokenizer,
        })
    }

    /// The encoder, where and as `compute` says.
    ///
    /// # Errors
    /// The checkpoint does not hold exactly the tensors that the architecture needs.
    pub(crate) fn encoder(&self, compute: &Compute) -> Result<Box<dyn Encoder>> {
        make_encoder(self.checkpoint.encoder(&self.config)?, compute)
    }

    /// Longest sequence, in tokens: what was asked for, as far as the encoder has positions.
    pub(crate) fn longest(&self, wanted: usize) -> usize {
        wanted.min(self.config.max_positions)
    }
}

/// An encoder with these weights, where and as `compute` says.
///
/// # Errors
/// The device refuses the tensors.
pub fn make_encoder(weights: Weights, compute: &Compute) -> Result<Box<dyn Encoder>> {
    Ok(match compute {
        Compute::Fast => Box::new(FastEncoder::new(weights)),
        Compute::Plain { device, products } => {
            Box::new(PlainEncoder::new(&weights, device, *products)?)
        }
    })
}
