//! A batch of token sequences without padding: the tokens of all sequences stand end to end.

use super::config::Config;
use crate::error::{Error, Result};

/// The tokens of one sequence, special tokens included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Segment of each token: 0 for the first text, 1 for the second of a pair.
    pub types: Vec<u32>,
}

impl Tokens {
    /// Number of tokens.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }
}

/// Sequences end to end, `T` tokens in all; `offsets[i]..offsets[i + 1]` is sequence `i`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Token ids `[T]`.
    pub ids: Vec<u32>,
    /// Segments `[T]`.
    pub types: Vec<u32>,
    /// Starts of the sequences and the end of the last `[sequences + 1]`.
    pub offsets: Vec<usize>,
}

impl Packed {
    /// Packs sequences in the order given. An empty sequence is kept, with no tokens.
    pub fn new<'a>(sequences: impl IntoIterator<Item = &'a Tokens>) -> Self {
        let mut packed = Self {
            ids: Vec::new(),
            types: Vec::new(),
            offsets: vec![0],
        };
        for tokens in sequences {
            packed.ids.extend_from_slice(&tokens.ids);
            packed.types.extend_from_slice(&tokens.types);
            packed.offsets.push(packed.ids.len());
        }
        packed
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of tokens of all sequences, `T`.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Where sequence `i` stands in the packed tokens.
    pub(crate) fn range(&self, i: usize) -> std::ops::Range<usize> {
        self.offsets[i]..self.offsets[i + 1]
    }

    /// Length of the longest sequence.
    pub(crate) fn longest(&self) -> usize {
        self.offsets
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .max()
            .unwrap_or(0)
    }

    /// Whether an encoder of this architecture can read the batch.
    ///
    /// # Errors
    /// There is no sequence, one is empty or longer than the positions, or an id or type is unknown.
    pub(crate) fn check(&self, config: &Config) -> Result<()> {
        let wrong = |what: String| {
            Err(Error::Misuse(format!(
                "the encoder cannot read this batch: {what}"
            )))
        };
        if self.is_empty() {
            return wrong("it holds no sequence".into());
        }
        if let Some(i) = (0..self.len()).find(|&i| self.range(i).is_empty()) {
            return wrong(format!("sequence {i} has no tokens"));
        }
        if self.longest() > config.max_positions {
            return wrong(format!(
                "a sequence has {} tokens, the encoder has {} positions",
                self.longest(),
                config.max_positions
            ));
        }
        if let Some(id) = self.ids.iter().find(|&&id| id as usize >= config.vocab) {
            return wrong(format!(
                "token {id} is not in its vocabulary of {}",
                config.vocab
            ));
        }
        let types = match config.type_vocab {
            0 => 2, // Nobody looks at them.
            types => types,
        };
        if let Some(kind) = self.types.iter().find(|&&kind| kind as usize >= types) {
            return wrong(format!("there is no token type {kind}"));
        }
        Ok(())
    }

    /// Position of every token in its own sequence `[T]`.
    pub(crate) fn positions(&self) -> Vec<u32> {
        (0..self.len())
            .flat_map(|i| 0..self.range(i).len() as u32)
            .collect()
    }
}
