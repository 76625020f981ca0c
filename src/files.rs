//! Writing files so that a crash leaves the old one or the new one, never half of one.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Error, IoContext, Remedy, Result};

/// Writes `path` through a temporary file beside it, renamed into place when `fill` succeeds.
///
/// # Errors
/// What `fill` returns, and any I/O error, with the path; `path` is then as it was.
pub(crate) fn write_atomic(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> Result<()>,
) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).at("create", folder)?;
    let mut temporary = tempfile::Builder::new()
        .prefix(".homer-")
        .tempfile_in(folder)
        .at("create a file in", folder)?;
    let mut writer = BufWriter::with_capacity(1 << 20, temporary.as_file_mut());
    fill(&mut writer)?;
    writer.flush().at("write", path)?;
    drop(writer);
    // On the disk before it takes its place: a power cut must not leave half of it there.
    temporary.as_file().sync_all().at("write", path)?;
    share(temporary.path()).at("write", path)?;
    temporary
        .persist(path)
        .map_err(|failed| failed.error)
        .at("write", path)?;
    Ok(())
}

/// A folder that is written beside its place, to be put there when all is written; dropped before,
/// it leaves nothing.
pub(crate) struct NewFolder {
    target: PathBuf,
    workshop: TempDir,
}

impl NewFolder {
    /// Begins an empty folder that is to be `target`.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn begin(target: &Path) -> Result<Self> {
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).at("create", parent)?;
        let workshop = tempfile::Builder::new()
            .prefix(".homer-")
            .tempdir_in(parent)
            .at("create a folder in", parent)?;
        let new = Self {
            target: target.to_path_buf(),
            workshop,
        };
        fs::create_dir(new.path()).at("create", new.path())?;
        Ok(new)
    }

    /// Where to write what is to be in it.
    pub(crate) fn path(&self) -> PathBuf {
        self.workshop.path().join("new")
    }

    /// What it is to be.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Puts it in its place; what was there is gone.
    ///
    /// # Errors
    /// Any I/O error; what was there is then there still.
    pub(crate) fn put(self) -> Result<()> {
        let (target, old) = (&self.target, self.workshop.path().join("old"));
        let replaces = target.exists();
        if replaces {
            fs::rename(target, &old).at("replace", target)?;
        }
        fs::rename(self.path(), target).or_else(|failed| {
            if replaces {
                fs::rename(&old, target).at("put back", target)?;
            }
            Err(failed).at("write", target)
        })
    }
}

/// Lets `fill` write a folder beside `folder`, and puts it in its place when all is written.
///
/// # Errors
/// What `fill` returns, and any I/O error; `folder` is then as it was.
pub(crate) fn replace_folder(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let new = NewFolder::begin(folder)?;
    fill(&new.path())?;
    new.put()
}

/// Temporary files are private to their owner; what we keep is as readable as any other file.
#[cfg(unix)]
fn share(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn share(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Writes `value` as pretty JSON, atomically.
///
/// # Errors
/// Any I/O error, with the path.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    write_atomic(path, |out| {
        serde_json::to_writer_pretty(&mut *out, value)
            .map_err(std::io::Error::from)
            .at("write", path)?;
        out.write_all(b"\n").at("write", path)
    })
}

/// The longest file of JSON that is read as a whole, in bytes: what homer and others write takes a tenth, and
/// read it may take fifty times as much.
pub(crate) const LONGEST_JSON: u64 = 4 << 20;

/// Reads a file that has at most so many bytes if it is what it should be.
///
/// # Errors
/// It cannot be read, is longer, or is no file: a pipe or a device has no end.
pub(crate) fn read_up_to(most: u64, path: &Path) -> Result<Vec<u8>> {
    let length = is_plain(path)?;
    if length > most {
        let what = format!("{length} bytes, where homer reads up to {most}");
        return Err(Error::model(path, what, Remedy::None));
    }
    fs::read(path).at("read", path)
}

/// Makes sure that it is a file, and nothing that one waits for; its length in bytes.
///
/// # Errors
/// It is something else, or not there.
pub(crate) fn is_plain(path: &Path) -> Result<u64> {
    let found = fs::metadata(path).at("read", path)?;
    if !found.is_file() {
        return Err(Error::model(path, "not a file", Remedy::None));
    }
    Ok(found.len())
}

/// Reads JSON; a malformed file is an error that names the line and column.
///
/// # Errors
/// The file cannot be read, or is not what is expected.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    parse_json(&read_up_to(LONGEST_JSON, path)?, path)
}

/// What [`read_json`] makes of the bytes of `path`.
///
/// # Errors
/// They are not what is expected.
pub(crate) fn parse_json<T: serde::de::DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|source| {
        let what = format!("not the JSON that homer expects: {source}");
        Error::model(path, what, Remedy::None)
    })
}

/// Writes one JSON value a line, atomically.
///
/// # Errors
/// Any I/O error, with the path.
pub(crate) fn write_jsonl<T: serde::Serialize>(
    path: &Path,
    values: impl IntoIterator<Item = T>,
) -> Result<()> {
    write_atomic(path, |out| {
        for value in values {
            serde_json::to_writer(&mut *out, &value)
                .map_err(std::io::Error::from)
                .at("write", path)?;
            out.write_all(b"\n").at("write", path)?;
        }
        Ok(())
    })
}

/// Reads one JSON value a line; a malformed line is an error with its number.
///
/// # Errors
/// The file cannot be read, or a line is not what is expected.
pub fn read_jsonl<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = fs::read_to_string(path).at("read", path)?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|source| Error::Data {
                path: path.to_path_buf(),
                row: Some(number as u64 + 1),
                what: format!("not what homer wrote there: {source}"),
                remedy: "make it anew, as it was made".into(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_failed_filling_changes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("made");
        let write =
            |text: &'static str| move |new: &Path| fs::write(new.join("a"), text).at("write", new);
        replace_folder(&folder, write("one")).unwrap();
        let failed = replace_folder(&folder, |new| {
            write("two")(new)?;
            Err(Error::Misuse("no".into()))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(folder.join("a")).unwrap(), "one");
        replace_folder(&folder, write("three")).unwrap();
        assert_eq!(fs::read_to_string(folder.join("a")).unwrap(), "three");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
