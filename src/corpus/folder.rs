//! A folder that is there as a whole or not at all.

use std::fs;
use std::path::Path;

use super::exchange::DatasetSettings;
use crate::error::{Error, IoContext, Result};
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
    if free || files::read_json::<DatasetSettings>(&folder.join("settings.json")).is_ok() {
        return Ok(());
    }
    Err(Error::Exists {
        path: folder.to_path_buf(),
        help: "homer did not write it, so homer leaves it alone: move it away first".into(),
    })
}

/// Lets `fill` write a folder beside `folder`, and puts it in its place when all is written.
///
/// # Errors
/// What `fill` returns, and any I/O error; `folder` is then as it was.
pub(super) fn replace(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).at("create", parent)?;
    let workshop = tempfile::Builder::new()
        .prefix(".homer-")
        .tempdir_in(parent)
        .at("create a folder in", parent)?;
    let new = workshop.path().join("new");
    let old = workshop.path().join("old");
    fs::create_dir(&new).at("create", &new)?;
    fill(&new)?;
    let replaced = folder.exists();
    if replaced {
        fs::rename(folder, &old).at("replace", folder)?;
    }
    if let Err(error) = fs::rename(&new, folder) {
        if replaced {
            fs::rename(&old, folder).at("put back", folder)?;
        }
        return Err(error).at("write", folder);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_filling_changes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("made");
        let write =
            |text: &'static str| move |new: &Path| fs::write(new.join("a"), text).at("write", new);
        replace(&folder, write("one")).unwrap();
        let failed = replace(&folder, |new| {
            write("two")(new)?;
            Err(Error::Setting("no".into()))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(folder.join("a")).unwrap(), "one");
        replace(&folder, write("three")).unwrap();
        assert_eq!(fs::read_to_string(folder.join("a")).unwrap(), "three");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn other_peoples_folders_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("exchanges");
        check_replaceable(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        check_replaceable(&folder).unwrap();
        fs::write(folder.join("settings.json"), "{\"volume\": 11}").unwrap();
        assert!(matches!(
            check_replaceable(&folder),
            Err(Error::Exists { .. })
        ));
    }
}
