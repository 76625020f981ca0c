//! Whose folder the exchanges would be written to.

use std::fs;
use std::path::Path;

use super::dataset::{DatasetSettings, SETTINGS};
use crate::error::{Error, Result};
use crate::files;

/// Fails unless `folder` may be replaced: missing, empty, or a dataset that homer wrote.
///
/// # Errors
/// [`Error::Exists`].
pub(super) fn check_replaceable(folder: &Path) -> Result<()> {
    let free = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if free || files::read_json::<DatasetSettings>(&folder.join(SETTINGS)).is_ok() {
        return Ok(());
    }
    Err(Error::Exists {
        path: folder.to_path_buf(),
        remedy: "homer did not write it, so homer leaves it alone: move it away first".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_peoples_folders_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("exchanges");
        check_replaceable(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        check_replaceable(&folder).unwrap();
        fs::write(folder.join(SETTINGS), "{\"volume\": 11}").unwrap();
        assert!(matches!(
            check_replaceable(&folder),
            Err(Error::Exists { .. })
        ));
    }
}
