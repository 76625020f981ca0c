//! Being stopped.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// [`Error::Interrupted`] once `interrupt` is set.
///
/// # Errors
/// That one, nothing saved.
pub fn go_on(interrupt: &AtomicBool) -> Result<()> {
    if interrupt.load(Ordering::Relaxed) {
        return Err(Error::Interrupted { saved: false });
    }
    Ok(())
}
