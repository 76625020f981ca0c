//! What a model computes has to be numbers: with what is none, whatever comes after goes on as if nothing were
//! wrong.

use crate::error::{Error, Result};

/// Makes sure that all values that `model` computed are numbers.
///
/// # Errors
/// [`Error::NoNumber`].
pub(super) fn numbers(values: &[f32], model: &'static str) -> Result<()> {
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err(Error::NoNumber { model }),
    }
}
