//! Writing files so that a crash leaves the old one or the new one, never half of one.
//!
//! What is written lies beside its place until it is whole, is brought to the disk, renamed, and the folder
//! brought to the disk too. What a process that died left beside is removed by the next one.
#![warn(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![warn(clippy::indexing_slicing, clippy::string_slice)]

use std::fs;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

pub(crate) mod disk;
#[cfg(test)]
pub(crate) mod fault;
mod link;
mod lock;
mod place;
mod rights;
mod temporary;
#[cfg(test)]
mod tests;

use crate::error::{Error, IoContext, Remedy, Result};
use disk::Handle;
pub(crate) use link::{stays, through};
pub(crate) use lock::lock;
pub(crate) use place::exchange_folders;
pub(crate) use place::{NewFolder, replace_folder};
pub(crate) use rights::Rights;
use temporary::Temporary;
pub(crate) use temporary::sweep;

/// What a file is filled through.
pub(crate) type Writer = BufWriter<Handle>;

/// [`write_atomic_as`], for everybody whom the umask lets in.
///
/// # Errors
/// As [`write_atomic_as`].
pub(crate) fn write_atomic(
    path: &Path,
    fill: impl FnOnce(&mut Writer) -> Result<()>,
) -> Result<()> {
    write_atomic_as(path, Rights::OPEN, fill)
}

/// Writes `path`, or what it links to, through a temporary file beside it, renamed into place when `fill`
/// succeeds, with these rights and no more than the file that was there has. What is no file, like a terminal
/// or a pipe, is written to as it is.
///
/// # Errors
/// What `fill` returns, and any I/O error, with the path; `path` is then as it was.
pub(crate) fn write_atomic_as(
    path: &Path,
    rights: Rights,
    fill: impl FnOnce(&mut Writer) -> Result<()>,
) -> Result<()> {
    if let Ok(there) = fs::metadata(path)
        && !there.is_file()
        && !there.is_dir()
    {
        let mut writer = BufWriter::new(Handle::again(path).at("write", path)?);
        fill(&mut writer)?;
        return writer.flush().at("write", path);
    }
    let target = &through(path)?;
    let folder = parent(target);
    make_folder(folder)?;
    let (temporary, handle) = Temporary::file(folder, rights.within(target))?;
    let mut writer = BufWriter::with_capacity(1 << 20, handle);
    fill(&mut writer)?;
    writer.flush().at("write", path)?;
    // On the disk before it takes its place, and its name after: a power cut must not leave half of it there.
    // What is inside a folder that has no place yet is brought there with it.
    let lasts = !temporary::is_inside(folder);
    if lasts {
        writer.get_ref().sync().at("write", path)?;
    }
    disk::rename(temporary.path(), target).at("write", path)?;
    temporary.keep();
    match lasts {
        true => disk::sync_folder(folder).at("write", path),
        false => Ok(()),
    }
}

/// The folder that something lies in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether something is at `path`.
///
/// # Errors
/// Something is there and cannot be looked at: a link leads nowhere, a folder is closed, a file stands where a
/// folder should.
pub(crate) fn is_there(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("read", path),
        Err(error) if fs::symlink_metadata(path).is_ok() => Err(error).at("follow the link", path),
        Err(_) => match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => is_there(parent).map(|_| false),
            _ => Ok(false),
        },
    }
}

/// Makes sure that there is nothing in `folder` but what homer writes there, so that it can be replaced: files
/// and folders of these names.
///
/// # Errors
/// [`Error::Exists`] names what somebody else put there; the folder cannot be read.
pub(crate) fn check_own(folder: &Path, names: &[&str]) -> Result<()> {
    let exists = |path: PathBuf| {
        let remedy = "homer did not write it, so homer leaves it alone: move it away first";
        Err(Error::Exists {
            path,
            remedy: remedy.into(),
        })
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return is_there(folder).map(|_| ());
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return exists(folder.to_path_buf());
        }
        entries => entries.at("read", folder)?,
    };
    for entry in entries {
        let entry = entry.at("read", folder)?;
        let name = entry.file_name();
        let known = names.iter().any(|known| name == *known);
        if !known && !temporary::is_temporary(&name) {
            return exists(entry.path());
        }
    }
    Ok(())
}

/// Makes a folder, and those that it lies in, unless they are there.
///
/// # Errors
/// Any I/O error.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if parent(path) != path {
        make_folder(parent(path))?;
    }
    match disk::create_folder(path, Rights::OPEN.folder()) {
        // Somebody else was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error).at("create", path),
        Ok(()) if temporary::is_inside(path) => Ok(()),
        Ok(()) => disk::sync_folder(parent(path)).at("create", path),
    }
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
    rights: Rights,
    values: impl IntoIterator<Item = T>,
) -> Result<()> {
    write_atomic_as(path, rights, |out| {
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
    read_lines(path, |value| value)
}

/// The same, of which `keep` keeps what is needed: no more than a line is in memory beside it.
///
/// # Errors
/// As [`read_jsonl`].
pub(crate) fn read_lines<T: serde::de::DeserializeOwned, K>(
    path: &Path,
    keep: impl Fn(T) -> K,
) -> Result<Vec<K>> {
    let file = BufReader::new(fs::File::open(path).at("read", path)?);
    let mut kept = Vec::new();
    for (line, row) in file.lines().zip(1..) {
        let line = line.at("read", path)?;
        if line.is_empty() {
            continue;
        }
        let value = serde_json::from_str(&line).map_err(|source| Error::Data {
            path: path.to_path_buf(),
            row: Some(row),
            what: format!("not what homer wrote there: {source}"),
            remedy: "make it anew, as it was made".into(),
        })?;
        kept.push(keep(value));
    }
    Ok(kept)
}
