//! How a run takes the place of another: it is trained beside it, as `FOLDER.new`, and changes places with it when
//! it is finished. Whatever goes wrong before, the old one is in its place and in use. What was replaced is kept as
//! `FOLDER.old`, one and no more.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::run::{OWN, Run};
use crate::error::{IoContext, Result};
use crate::files::{self, disk};

/// The mark of a run that has given way: it stands in it before it does, so that the two are never mixed up.
pub(super) const REPLACED: &str = "replaced";

/// Where a training that is to take the place of the one in `place` is written.
pub(super) fn beside(place: &Path) -> PathBuf {
    with_suffix(place, ".new")
}

fn with_suffix(place: &Path, suffix: &str) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Finishes what a training was about to do at `place` when it was killed.
///
/// # Errors
/// [`Error::Busy`]; any I/O error.
pub(super) fn settle(place: &Path) -> Result<()> {
    let next = beside(place);
    let stale = |folder: &Path| Run::is_finished(folder) && Run::can_resume(folder);
    let gave_way = next.join(REPLACED).exists();
    if !gave_way && !Run::is_finished(&next) && !stale(place) {
        return Ok(());
    }
    let _lock = lock(place)?;
    if gave_way {
        retire(&next, place)?;
    } else if Run::is_finished(&next) {
        Run::drop_checkpoint(&next)?;
        take_place(&next, place)?;
    }
    match stale(place) {
        true => Run::drop_checkpoint(place),
        false => Ok(()),
    }
}

/// Puts the finished run `next` in the place of the one that is there.
pub(super) fn take_place(next: &Path, place: &Path) -> Result<()> {
    if !place.exists() {
        return disk::rename(next, place).at("write", place);
    }
    files::write_atomic(&place.join(REPLACED), |_| Ok(()))?;
    files::exchange_folders(next, place)?;
    retire(next, place)
}

/// Keeps what gave way at `place` and lies at `old`; what gave way before it is removed, unless somebody put
/// something of their own there.
fn retire(old: &Path, place: &Path) -> Result<()> {
    let numbered = |number: u32| match number {
        1 => with_suffix(place, ".old"),
        _ => with_suffix(place, &format!(".old-{number}")),
    };
    let free = (1..)
        .map(numbered)
        .find(|kept| files::check_own(kept, &OWN).is_ok());
    let Some(kept) = free else {
        return Ok(());
    };
    if kept.exists() {
        disk::remove_folder(&kept).at("remove", &kept)?;
    }
    disk::rename(old, &kept).at("move aside", old)
}

/// Removes what homer wrote into the folder of a run, in the order of `names`.
pub(super) fn clear(folder: &Path, names: &[&str]) -> Result<()> {
    for name in names {
        let path = folder.join(name);
        let Ok(data) = fs::symlink_metadata(&path) else {
            continue;
        };
        let removed = match data.is_dir() {
            true => disk::remove_folder(&path),
            false => disk::remove_file(&path),
        };
        removed.at("remove", &path)?;
    }
    Ok(())
}

/// Reserves the place of a run, see [`files::lock`].
///
/// # Errors
/// As that.
pub(super) fn lock(place: &Path) -> Result<File> {
    files::lock(place, "training")
}
