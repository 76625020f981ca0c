//! A folder that is read, wherever it lies: on disk, or in the program.
#![warn(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![warn(clippy::indexing_slicing, clippy::string_slice)]

use std::borrow::Cow;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;

use crate::error::{Error, IoContext, Result};
use crate::{files, fingerprint};

/// A file in the program: its path inside its folder, and what it holds.
pub(crate) type Embedded = (&'static str, &'static [u8]);

/// The longest small file, in bytes: a tokenizer of half a million tokens takes half of it.
const SMALL: u64 = 32 << 20;
/// How often a folder is read again that is replaced while it is read.
const REPLACED: usize = 20;

/// A folder that is read and never written.
#[derive(Debug, Clone)]
pub enum Folder {
    /// On disk.
    Disk(PathBuf),
    /// In the program.
    Embedded {
        /// What messages call it.
        name: &'static str,
        /// Its files; tensors begin at a multiple of eight.
        files: &'static [Embedded],
    },
}

impl<P: AsRef<Path> + ?Sized> From<&P> for Folder {
    fn from(path: &P) -> Self {
        Self::Disk(path.as_ref().to_path_buf())
    }
}

impl From<PathBuf> for Folder {
    fn from(path: PathBuf) -> Self {
        Self::Disk(path)
    }
}

impl From<&Folder> for Folder {
    fn from(folder: &Folder) -> Self {
        folder.clone()
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(path) => path.display().fmt(out),
            Self::Embedded { name, .. } => out.write_str(name),
        }
    }
}

impl Folder {
    /// Whether there is such a folder.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::Disk(path) => path.is_dir(),
            Self::Embedded { .. } => true,
        }
    }

    /// The folder as messages name it.
    pub(crate) fn to_path_buf(&self) -> PathBuf {
        match self {
            Self::Disk(path) => path.clone(),
            Self::Embedded { name, .. } => PathBuf::from(name),
        }
    }

    /// A file of it as messages name it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.to_path_buf().join(name)
    }

    /// Whether it has a file of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::Disk(path) => path.join(name).is_file(),
            Self::Embedded { .. } => self.embedded(name).is_some(),
        }
    }

    /// A file where it lies: mapped from disk, or in the program.
    ///
    /// # Errors
    /// It is not there, cannot be read, or is a link out of the folder.
    pub(crate) fn map(&self, name: &str) -> Result<Bytes> {
        match self {
            Self::Disk(folder) => {
                let path = folder.join(name);
                stays_inside(folder, &path)?;
                Bytes::map(&path)
            }
            Self::Embedded { .. } => self.require(name).map(Bytes::Embedded),
        }
    }

    /// A small file as a whole.
    ///
    /// # Errors
    /// As [`Folder::map`]; it is no small file.
    pub(crate) fn read(&self, name: &str) -> Result<Cow<'static, [u8]>> {
        self.read_up_to(SMALL, name)
    }

    fn read_up_to(&self, most: u64, name: &str) -> Result<Cow<'static, [u8]>> {
        match self {
            Self::Disk(folder) => {
                let path = folder.join(name);
                stays_inside(folder, &path)?;
                files::read_up_to(most, &path).map(Cow::Owned)
            }
            Self::Embedded { .. } => self.require(name).map(Cow::Borrowed),
        }
    }

    /// A file of JSON.
    ///
    /// # Errors
    /// It cannot be read, or is not what is expected.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        let bytes = self.read_up_to(files::LONGEST_JSON, name)?;
        files::parse_json(&bytes, &self.path(name))
    }

    /// A file's [`fingerprint`].
    ///
    /// # Errors
    /// As [`Folder::map`].
    pub(crate) fn fingerprint(&self, name: &str) -> Result<String> {
        match self {
            Self::Disk(path) => fingerprint::of_file(&path.join(name)),
            Self::Embedded { .. } => self.require(name).map(fingerprint::of_bytes),
        }
    }

    /// A file's [checksum](fingerprint::checksum): all of it is read.
    ///
    /// # Errors
    /// As [`Folder::map`].
    pub(crate) fn checksum(&self, name: &str) -> Result<String> {
        Ok(fingerprint::checksum(&self.map(name)?))
    }

    /// Reads the folder with `read`, and again where it was replaced as a whole while it was read: what was
    /// read may then be of two folders. The file `name` is there in each.
    ///
    /// # Errors
    /// What `read` returns at last.
    pub(crate) fn steadily<T>(&self, name: &str, read: impl Fn() -> Result<T>) -> Result<T> {
        let Self::Disk(path) = self else {
            return read();
        };
        let path = path.join(name);
        let stamp = || {
            fs::metadata(&path)
                .ok()
                .and_then(|data| data.modified().ok())
        };
        for _ in 0..REPLACED {
            let before = stamp();
            let outcome = read();
            if stamp() == before {
                return outcome;
            }
        }
        read()
    }

    fn embedded(&self, name: &str) -> Option<&'static [u8]> {
        match self {
            Self::Disk(_) => None,
            Self::Embedded { files, .. } => {
                let found = files.iter().find(|(path, _)| *path == name);
                found.map(|(_, bytes)| *bytes)
            }
        }
    }

    fn require(&self, name: &str) -> Result<&'static [u8]> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let found = self.embedded(name).ok_or_else(missing);
        found.at("read", self.path(name))
    }
}

/// Whether it is the name of a file and no path: what a file of a stranger names never leaves its folder.
pub(crate) fn is_file_name(name: &str) -> bool {
    Path::new(name).file_name() == Some(name.as_ref()) && !name.contains(['\\', '\0'])
}

/// Makes sure that no link leads from a folder to a file outside of it: a model that somebody gave away
/// is read, and nothing else of this machine. What the hub's cache links to is the model itself.
fn stays_inside(folder: &Path, path: &Path) -> Result<()> {
    let (Ok(folder), Ok(real)) = (fs::canonicalize(folder), fs::canonicalize(path)) else {
        return Ok(()); // It is not there, which is said when it is opened.
    };
    if real.starts_with(folder) || is_blob(&real) {
        return Ok(());
    }
    let what = format!("a link out of its folder, to {}", real.display());
    let remedy = "if that file is meant, copy it there";
    Err(Error::model(path, what, remedy))
}

/// Whether it lies among the contents of a model in the hub's cache, `models--NAME/blobs`.
fn is_blob(real: &Path) -> bool {
    let name = |path: Option<&Path>| Some(path?.file_name()?.to_string_lossy().into_owned());
    let blobs = real.parent();
    let model = name(blobs.and_then(Path::parent));
    name(blobs).is_some_and(|name| name == "blobs")
        && model.is_some_and(|name| name.starts_with("models--"))
}

/// What a file holds, where it lies.
#[derive(Debug, Clone)]
pub enum Bytes {
    /// Mapped from disk.
    Mapped(Arc<Mmap>),
    /// In the program.
    Embedded(&'static [u8]),
    /// In memory.
    Read(Arc<[u8]>),
}

impl Bytes {
    /// Maps a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn map(path: &Path) -> Result<Self> {
        files::is_plain(path)?;
        let file = File::open(path).at("read", path)?;
        // SAFETY: homer replaces files and folders by renaming and never writes into one: what is
        // mapped stays as it was. Somebody else who writes into it changes our numbers underneath us,
        // and who cuts it short ends the process by SIGBUS at the next look behind its end: nothing can
        // be done about that but to read it all, which takes a model's and an index's size in memory.
        #[allow(unsafe_code, reason = "the one place that maps files")]
        let map = unsafe { Mmap::map(&file) }.at("map", path)?;
        Ok(Self::Mapped(Arc::new(map)))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Embedded(bytes) => bytes,
            Self::Read(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_the_same_wherever_it_lies() {
        let home = tempfile::tempdir().unwrap();
        let disk = Folder::from(home.path());
        let embedded = Folder::Embedded {
            name: "built-in thing",
            files: &[("a.json", b"[1, 2]"), ("in/b", b"bytes")],
        };
        assert!(!disk.has("a.json"));
        fs::create_dir(home.path().join("in")).unwrap();
        fs::write(home.path().join("a.json"), "[1, 2]").unwrap();
        fs::write(home.path().join("in/b"), "bytes").unwrap();
        for folder in [&disk, &embedded] {
            assert!(folder.is_there() && folder.has("in/b") && !folder.has("c"));
            assert_eq!(folder.json::<Vec<u8>>("a.json").unwrap(), [1, 2]);
            assert_eq!(*folder.map("in/b").unwrap(), *b"bytes");
            assert_eq!(*folder.read("in/b").unwrap(), *b"bytes");
            assert!(folder.json::<u8>("in/b").is_err());
            for error in [folder.map("c").err(), folder.read("c").err()] {
                let message = error.unwrap().to_string();
                assert!(message.contains(&folder.to_string()), "{message}");
            }
        }
        let prints = [&disk, &embedded].map(|folder| folder.fingerprint("in/b").unwrap());
        assert_eq!(prints[0], prints[1]);
    }
}
