//! Whose folder the exchanges would be written to.

use std::fs;
use std::path::Path;

use super::dataset::{DatasetSettings, POOL, REPORTS, SETTINGS, TEST, TRAIN, VALID};
use crate::error::{Error, Result};
use crate::files;

/// Fails unless `folder` may be replaced: missing, empty, or a dataset that homer wrote and nothing else.
///
/// # Errors
/// [`Error::Exists`]; the folder cannot be read.
pub(super) fn check_replaceable(folder: &Path) -> Result<()> {
    let [json, text, picture] = REPORTS;
    let own = [SETTINGS, TRAIN, VALID, TEST, POOL, json, text, picture];
    files::check_own(folder, &own)?;
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
        let own = serde_json::json!({"source": "a.csv", "character": "Ada", "seed": 1});
        fs::write(folder.join(SETTINGS), own.to_string()).unwrap();
        check_replaceable(&folder).unwrap();
        fs::write(folder.join("notes.txt"), "mine").unwrap();
        let error = check_replaceable(&folder).unwrap_err().to_string();
        assert!(error.contains("notes.txt"), "{error}");
    }
}
