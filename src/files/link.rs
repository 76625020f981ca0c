//! Symbolic links in the place of what homer writes.

use std::fs;
use std::path::{Path, PathBuf};

use super::parent;
use crate::error::{Error, IoContext, Result};

/// What a symbolic link leads to, so that it stays one; anything else is itself.
///
/// # Errors
/// It leads nowhere.
pub(crate) fn through(path: &Path) -> Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(data) if data.is_symlink() => fs::canonicalize(path).at("follow the link", path),
        _ => Ok(path.to_path_buf()),
    }
}

/// Makes sure that a file that homer writes unasked, under a name that the user did not give, is no link out of
/// its folder: a stranger may have made the folder, and have the link lead to whatever is the user's.
///
/// # Errors
/// It is such a link, or leads nowhere.
pub(crate) fn stays(path: &Path) -> Result<()> {
    let real = through(path)?;
    if real == path {
        return Ok(());
    }
    let folder = parent(path);
    if real.starts_with(fs::canonicalize(folder).at("read", folder)?) {
        return Ok(());
    }
    let what = format!("a link out of its folder, to {}", real.display());
    let remedy = "homer writes here, and would write there: remove the link";
    Err(Error::model(path, what, remedy))
}
