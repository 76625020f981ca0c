//! Every change that homer makes to a disk, in one place: what can fail fails here, and tests make it fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// Where a test makes the disk fail: before something is added or renamed, and before something is removed.
#[cfg(test)]
use super::fault::{add as point, remove};

#[cfg(not(test))]
#[inline]
fn point() -> io::Result<()> {
    Ok(())
}

#[cfg(not(test))]
#[inline]
fn remove() -> io::Result<()> {
    Ok(())
}

/// A file that is written.
#[derive(Debug)]
pub(crate) struct Handle(File);

impl Handle {
    /// A new file; the umask takes its share of `mode`.
    pub(super) fn create_new(path: &Path, mode: u32) -> io::Result<Self> {
        point()?;
        Self::open(OpenOptions::new().write(true).create_new(true), path, mode)
    }

    /// A file that is written from its start, whether it was there or not.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        point()?;
        let mut options = OpenOptions::new();
        Self::open(options.write(true).create(true).truncate(true), path, 0o666)
    }

    /// A file that is there, to be written to without being cut.
    pub(crate) fn again(path: &Path) -> io::Result<Self> {
        point()?;
        OpenOptions::new().write(true).open(path).map(Self)
    }

    /// A file that is there, to be written to at its end.
    pub(crate) fn append(path: &Path) -> io::Result<Self> {
        point()?;
        OpenOptions::new().append(true).open(path).map(Self)
    }

    fn open(options: &mut OpenOptions, path: &Path, mode: u32) -> io::Result<Self> {
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(options, mode);
        #[cfg(not(unix))]
        let _ = mode;
        options.open(path).map(Self)
    }

    /// Waits until what was written is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        point()?;
        self.0.sync_all()
    }

    pub(super) fn file(&self) -> &File {
        &self.0
    }
}

impl Write for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = point() {
            // As a disk does that is full: half of it went through.
            let _ = self
                .0
                .write(bytes.get(..bytes.len() / 2).unwrap_or_default());
            return Err(error);
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Seek for Handle {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// Makes a folder; the umask takes its share of `mode`.
pub(super) fn create_folder(path: &Path, mode: u32) -> io::Result<()> {
    point()?;
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
    #[cfg(not(unix))]
    let _ = mode;
    builder.create(path)
}

/// Waits until the names in a folder are on the disk.
#[cfg(unix)]
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    point()?;
    match File::open(path)?.sync_all() {
        // Some file systems know no such thing.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

#[cfg(not(unix))]
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    point()?;
    fs::rename(from, to)
}

/// Gives each of two the other's name, in one step; [`io::ErrorKind::Unsupported`] where the file system or
/// the operating system cannot.
pub(super) fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    point()?;
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
            Err(
                rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP,
            ) => Err(io::ErrorKind::Unsupported.into()),
            done => done.map_err(Into::into),
        }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    {
        let _ = (one, other);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Gives a file a second name, or copies it where the file system knows no such thing: it is never written to
/// again.
pub(crate) fn link(from: &Path, to: &Path) -> io::Result<()> {
    point()?;
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(|_| ()))
}

pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    remove()?;
    fs::remove_file(path)
}

pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    remove()?;
    fs::remove_dir_all(path)
}
