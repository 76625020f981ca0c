//! Reserving a place that is worked on for long.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::Path;

use super::make_folder;
use crate::error::{Error, IoContext, Result};

/// Reserves `place` for a `what`: the lock, a file beside it, is free again when what is returned is dropped or
/// this process ends.
///
/// # Errors
/// [`Error::Busy`] where another process holds it; the file cannot be made, or locked at all.
pub(crate) fn lock(place: &Path, what: &'static str) -> Result<File> {
    let mut name = OsString::from(".");
    name.push(place.file_name().unwrap_or_default());
    name.push(".lock");
    let path = place.with_file_name(name);
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        make_folder(parent)?;
    }
    let file = File::create(&path).at("create", &path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Busy {
            what,
            path: place.to_path_buf(),
        }),
        Err(TryLockError::Error(source)) => Err(source).at("lock", &path),
    }
}
