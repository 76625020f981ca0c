//! What is written and not yet in its place. Whoever writes holds a lock on it as long as the process lives, so
//! that what the dead left is told from what is still written, and removed by whoever comes next.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::disk::{self, Handle};
use super::rights::Rights;
use crate::error::{IoContext, Result};

const PREFIX: &str = ".homer-";
const SUFFIX: &str = ".tmp";

/// Where a folder lies that makes way for another, inside the temporary folder, until the other has its place.
pub(super) const OLD: &str = ".old";

/// Names tried before something else must be wrong.
const TRIES: usize = 1000;

/// A file or folder beside its place, removed when it is dropped.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    _lock: File,
    kept: bool,
}

impl Temporary {
    /// A new file in `folder`.
    pub(crate) fn file(folder: &Path, rights: Rights) -> Result<(Self, Handle)> {
        let make = |path: &Path| {
            let handle = Handle::create_new(path, rights.file())?;
            let lock = handle.file().try_clone()?;
            Ok((lock, handle))
        };
        new(folder, make).at("create a file in", folder)
    }

    /// A new folder in `folder`.
    pub(crate) fn folder(folder: &Path) -> Result<Self> {
        let make = |path: &Path| {
            disk::create_folder(path, Rights::PRIVATE.folder())?;
            Ok((hold(path)?, ()))
        };
        let made = new(folder, make).at("create a folder in", folder);
        Ok(made?.0)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// It has its place: nothing is to be removed.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now is removed by whoever comes next.
            let _ = clear(&self.path);
        }
    }
}

/// Makes something under a name of its own and locks it.
fn new<T>(
    folder: &Path,
    make: impl Fn(&Path) -> io::Result<(File, T)>,
) -> io::Result<(Temporary, T)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    sweep_once(folder);
    for _ in 0..TRIES {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}{SUFFIX}", std::process::id());
        let path = folder.join(name);
        let (lock, made) = match make(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            made => made?,
        };
        // Somebody who sweeps may have come between: then it is theirs, and gone.
        let mine = match lock.try_lock() {
            Ok(()) => is_at(&lock, &path),
            Err(TryLockError::WouldBlock) => false,
            // Where there are no locks, nobody sweeps either.
            Err(TryLockError::Error(_)) => true,
        };
        if mine {
            let temporary = Temporary {
                path,
                _lock: lock,
                kept: false,
            };
            return Ok((temporary, made));
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A handle that a lock can be held on.
#[cfg(unix)]
fn hold(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Folders have no handles here: a file in it stands for it.
#[cfg(not(unix))]
fn hold(path: &Path) -> io::Result<File> {
    File::create(path.join("lock"))
}

/// Whether what is held is still what has that name.
#[cfg(unix)]
fn is_at(held: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |one: fs::Metadata, other: fs::Metadata| {
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    };
    let both = held.metadata().ok().zip(fs::symlink_metadata(path).ok());
    both.is_some_and(|(one, other)| same(one, other))
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

/// Whether a name is one of ours.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// Whether a folder is one of ours that has no place yet, or in one.
pub(super) fn is_inside(folder: &Path) -> bool {
    folder.iter().any(is_temporary)
}

/// Removes from `folder` what processes that died left unfinished. What cannot be removed stays.
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if !is_temporary(&entry.file_name()) {
            continue;
        }
        let path = entry.path();
        let held = match entry.file_type() {
            Ok(kind) if kind.is_dir() => hold(&path),
            Ok(kind) if kind.is_file() => File::options().read(true).write(true).open(&path),
            _ => continue,
        };
        if held.is_ok_and(|held| held.try_lock().is_ok() && is_at(&held, &path)) {
            let _ = clear(&path);
        }
    }
}

/// [`sweep`], the first time that this process writes to a folder.
fn sweep_once(folder: &Path) {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if swept.insert(folder.to_path_buf()) {
        drop(swept);
        sweep(folder);
    }
}

/// Removes one; what had to make way and was not replaced gets its place again first.
fn clear(path: &Path) -> io::Result<()> {
    let Ok(data) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !data.is_dir() {
        return disk::remove_file(path);
    }
    if let (Ok(old), Some(place)) = (fs::read_dir(path.join(OLD)), path.parent()) {
        for entry in old {
            let entry = entry?;
            let target = place.join(entry.file_name());
            if fs::symlink_metadata(&target).is_err() {
                disk::rename(&entry.path(), &target)?;
            }
        }
    }
    disk::remove_folder(path)
}
