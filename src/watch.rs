//! The one contract between long work and whoever waits for it: what is being done, how far it is,
//! what is worth knowing, and whether to stop.

use std::fmt;

use crate::error::{Error, Remedy, Result};

/// What the parts of a stage are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Steps, texts, queries, …
    Parts,
    /// Bytes.
    Bytes,
}

/// Hears how long work goes, and can stop it.
pub trait Watch {
    /// A stage of `total` parts begins.
    fn stage(&mut self, _what: &str, _total: u64, _unit: Unit) {}

    /// `done` parts of the stage are done.
    fn advance(&mut self, _done: u64) {}

    /// Figures of the moment, to be shown beside the stage.
    fn figures(&mut self, _figures: fmt::Arguments<'_>) {}

    /// Something worth knowing, in a sentence.
    fn note(&mut self, _message: &str) {}

    /// Something worth knowing, and what can be done about it.
    fn advise(&mut self, message: &str, remedy: &Remedy) {
        self.note(&format!("{message}: {remedy}"));
    }

    /// Whether to stop, as soon as it can be done well.
    fn stop(&self) -> bool {
        false
    }

    /// Asks whether to go on.
    ///
    /// # Errors
    /// [`Error::Interrupted`] where it is to stop; nothing is said to be saved.
    fn go_on(&self) -> Result<()> {
        match self.stop() {
            true => Err(Error::Interrupted { saved: false }),
            false => Ok(()),
        }
    }
}

/// Hears nothing and stops nothing.
impl Watch for () {}
