//! Folders that are written beside their place and put there whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::disk;
use super::rights::{Rights, narrow};
use super::temporary::{OLD, Temporary};
use super::{make_folder, parent, through};
use crate::error::{Error, IoContext, Result};

/// A folder that is written beside its place, to be put there when all is written; dropped before,
/// it leaves nothing.
pub(crate) struct NewFolder {
    target: PathBuf,
    new: PathBuf,
    workshop: Temporary,
    rights: Rights,
}

impl NewFolder {
    /// Begins an empty folder that is to be `target`, or what `target` links to, with these rights and no more
    /// than what it replaces has.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn begin(target: &Path, rights: Rights) -> Result<Self> {
        let target = through(target)?;
        let Some(name) = target.file_name() else {
            return Err(Error::Misuse(format!(
                "{} cannot be replaced",
                target.display()
            )));
        };
        let beside = parent(&target);
        make_folder(beside)?;
        let workshop = Temporary::folder(beside)?;
        let new = workshop.path().join(name);
        disk::create_folder(&new, Rights::OPEN.folder()).at("create", &new)?;
        Ok(Self {
            rights: rights.within(&target),
            target,
            new,
            workshop,
        })
    }

    /// Where to write what is to be in it.
    pub(crate) fn path(&self) -> &Path {
        &self.new
    }

    /// What it is to be.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Puts it in its place, on the disk; what was there is gone.
    ///
    /// # Errors
    /// Any I/O error; what was there is then there still.
    pub(crate) fn put(self) -> Result<()> {
        finish(&self.new, self.rights)?;
        if fs::symlink_metadata(&self.target).is_err() {
            disk::rename(&self.new, &self.target).at("write", &self.target)?;
        } else {
            swap(&self.new, &self.target, self.workshop.path())?;
        }
        disk::sync_folder(parent(&self.target)).at("write", &self.target)
    }
}

/// Puts `new` in the place of `target`, which is then `new` or lies in `workshop`.
fn swap(new: &Path, target: &Path, workshop: &Path) -> Result<()> {
    match disk::exchange(new, target) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
        done => return done.at("replace", target),
    }
    // In two steps. Whoever finds it between them puts the old one back.
    let aside = workshop.join(OLD);
    disk::create_folder(&aside, Rights::PRIVATE.folder()).at("create", &aside)?;
    let aside = aside.join(target.file_name().unwrap_or_default());
    disk::rename(target, &aside).at("replace", target)?;
    disk::rename(new, target).or_else(|failed| {
        disk::rename(&aside, target).at("put back", target)?;
        Err(failed).at("write", target)
    })
}

/// Brings all that is in a folder to the disk, with these rights and no more.
fn finish(folder: &Path, rights: Rights) -> Result<()> {
    for entry in fs::read_dir(folder).at("read", folder)? {
        let path = entry.at("read", folder)?.path();
        let data = fs::symlink_metadata(&path).at("read", &path)?;
        if data.is_dir() {
            finish(&path, rights)?;
        } else {
            narrow(&path, &data, rights).at("write", &path)?;
            let file = disk::Handle::again(&path).at("write", &path)?;
            file.sync().at("write", &path)?;
        }
    }
    let data = fs::symlink_metadata(folder).at("read", folder)?;
    narrow(folder, &data, rights).at("write", folder)?;
    disk::sync_folder(folder).at("write", folder)
}

/// Lets `fill` write a folder beside `folder`, and puts it in its place when all is written.
///
/// # Errors
/// What `fill` returns, and any I/O error; `folder` is then as it was.
pub(crate) fn replace_folder(
    folder: &Path,
    rights: Rights,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let new = NewFolder::begin(folder, rights)?;
    fill(new.path())?;
    new.put()
}

/// Gives each of two folders the other's place.
///
/// # Errors
/// Any I/O error; both are then where they were.
pub(crate) fn exchange_folders(one: &Path, other: &Path) -> Result<()> {
    let workshop = Temporary::folder(parent(other))?;
    swap(one, other, workshop.path())?;
    let aside = workshop.path().join(OLD);
    let aside = aside.join(other.file_name().unwrap_or_default());
    if fs::symlink_metadata(&aside).is_ok() {
        disk::rename(&aside, one).at("move aside", one)?;
    }
    disk::sync_folder(parent(other)).at("write", other)
}
