//! Who may read what homer writes. The umask is never overstepped, and what people said is for the eyes of
//! whoever could read it before.

use std::fs::Metadata;
use std::path::Path;

/// The rights of a file or folder, before the umask takes its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rights(u32);

impl Rights {
    /// For everybody whom the umask lets in: models, settings, figures, pictures.
    pub(crate) const OPEN: Self = Self(0o777);
    /// For the owner alone: what people said, where nobody else could read it before.
    pub(crate) const PRIVATE: Self = Self(0o700);

    /// As far as each of these files may be read: what is made of them holds what people said. A file that
    /// cannot be looked at is its owner's alone.
    pub(crate) fn of<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> Self {
        let each = files.into_iter();
        let each = each.map(|file| std::fs::metadata(file).map_or(Self::PRIVATE, |data| of(&data)));
        each.fold(Self::OPEN, Self::and)
    }

    /// What both allow.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The mode of a file.
    pub(super) fn file(self) -> u32 {
        self.0 & 0o666
    }

    /// The mode of a folder.
    pub(super) fn folder(self) -> u32 {
        self.0
    }

    /// No more than what is at `path` has, if anything is: what somebody closed stays closed.
    pub(super) fn within(self, path: &Path) -> Self {
        std::fs::metadata(path).map_or(self, |data| self.and(of(&data)))
    }
}

/// The rights of what is there: who may read a file may enter a folder. The owner may always write.
#[cfg(unix)]
fn of(data: &Metadata) -> Rights {
    let mode = std::os::unix::fs::MetadataExt::mode(data);
    Rights(0o700 | mode & 0o066 | (mode & 0o044) >> 2)
}

#[cfg(not(unix))]
fn of(_: &Metadata) -> Rights {
    Rights::OPEN
}

/// Takes from what is at `path` the rights that `rights` does not give.
#[cfg(unix)]
pub(super) fn narrow(path: &Path, data: &Metadata, rights: Rights) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let mode = data.mode() & 0o777;
    let wanted = mode & rights.folder();
    if wanted == mode {
        return Ok(());
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(wanted))
}

#[cfg(not(unix))]
pub(super) fn narrow(_: &Path, _: &Metadata, _: Rights) -> std::io::Result<()> {
    Ok(())
}
