//! The contents of one file, fetched into the cache: what is there in part is gone on with, and what
//! came is taken for whole only when its length and its digest are those announced.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::announced::Announced;
use super::request::{Client, unanswered};
use crate::error::{Error, IoContext, Result};

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 16;
/// Fewer bytes than these in the time of the longest silence are no better than silence.
const SLOWEST: u64 = 1024;

/// Why a file could not be had.
pub(super) enum Failed {
    /// The hub's fault, in words.
    Why(String),
    /// Anything else.
    Error(Error),
}

impl From<String> for Failed {
    fn from(why: String) -> Self {
        Self::Why(why)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Makes sure that the file `blob` holds what is announced, from `url` as far as it does not; `tell`
/// hears how many bytes are there.
///
/// # Errors
/// What came is not what was announced, or did not come; `tell` stops it; a file cannot be written. What
/// came well is kept beside `blob`, to go on from.
pub(super) fn fetch(
    client: &Client,
    url: &str,
    announced: &Announced,
    blob: &Path,
    tell: &mut dyn FnMut(u64) -> Result<()>,
) -> std::result::Result<(), Failed> {
    if blob.is_file() {
        let mut there = Part::open(blob)?;
        if there.length == announced.size && there.is(announced)? {
            tell(announced.size)?;
            return Ok(());
        }
        fs::remove_file(blob).at("remove", blob)?;
    }
    let mut path = blob.as_os_str().to_owned();
    path.push(".part");
    let path = PathBuf::from(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).at("create", folder)?;
    }
    let mut part = Part::open(&path)?;
    if part.length > announced.size {
        part.cut()?;
    }
    let began = part.length;
    part.go_on(client, url, announced, tell)?;
    if !part.is(announced)? {
        part.cut()?;
        // What was there before may have been of something else.
        if began > 0 {
            part.go_on(client, url, announced, tell)?;
        }
        if began == 0 || !part.is(announced)? {
            fs::remove_file(&path).at("remove", &path)?;
            let why = "what came is not what the hub announced: the digests differ; try again";
            return Err(Failed::Why(why.into()));
        }
    }
    part.file.sync_all().at("write", &path)?;
    fs::rename(&path, blob).at("write", blob)?;
    Ok(())
}

/// A file that may not be whole.
struct Part {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Part {
    fn open(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).at("write", path)?;
        let length = file.metadata().at("read", path)?.len();
        Ok(Self {
            path: path.to_path_buf(),
            file,
            length,
        })
    }

    fn cut(&mut self) -> Result<()> {
        self.file.set_len(0).at("write", &self.path)?;
        self.length = 0;
        Ok(())
    }

    /// Fetches the rest.
    fn go_on(
        &mut self,
        client: &Client,
        url: &str,
        announced: &Announced,
        tell: &mut dyn FnMut(u64) -> Result<()>,
    ) -> std::result::Result<(), Failed> {
        tell(self.length)?;
        if self.length == announced.size {
            return Ok(());
        }
        let (body, begin) = client.get(url, self.length, announced.size)?;
        if begin == 0 {
            self.cut()?;
        }
        let path = &self.path;
        self.file.seek(SeekFrom::End(0)).at("write", path)?;
        let mut body = body.into_reader();
        let mut pace = Pace::of(client.patience, self.length);
        let mut buffer = vec![0; BUFFER];
        while self.length < announced.size {
            let room = usize::try_from(announced.size - self.length).unwrap_or(BUFFER);
            let room = buffer.get_mut(..room.min(BUFFER)).unwrap_or_default();
            let came = match body.read(room) {
                Err(error) => {
                    let why = unanswered(&ureq::Error::from(error));
                    return Err(Failed::Why(self.broke_off(announced, &format!(" ({why})"))));
                }
                Ok(0) => return Err(Failed::Why(self.broke_off(announced, ""))),
                Ok(came) => came,
            };
            self.file
                .write_all(buffer.get(..came).unwrap_or_default())
                .at("write", &self.path)?;
            self.length += came as u64;
            tell(self.length)?;
            if self.length < announced.size && pace.is_lost(self.length) {
                let why = " (next to no answer for too long)";
                return Err(Failed::Why(self.broke_off(announced, why)));
            }
        }
        if matches!(body.read(&mut [0]), Ok(1..)) {
            self.cut()?;
            let size = announced.size;
            let why = format!("more came than the {size} bytes that were announced; try again");
            return Err(Failed::Why(why));
        }
        Ok(())
    }

    fn broke_off(&self, announced: &Announced, why: &str) -> String {
        format!(
            "{} bytes came instead of {}{why}; the next try goes on from there",
            self.length, announced.size
        )
    }

    /// Whether it holds what is announced, as far as the announcement has a digest.
    fn is(&mut self, announced: &Announced) -> Result<bool> {
        let Some(mut digest) = announced.etag.digest(announced.size) else {
            tracing::warn!(
                "the hub announces no digest of {}: only its length is checked",
                self.path.display()
            );
            return Ok(true);
        };
        let path = &self.path;
        self.file.seek(SeekFrom::Start(0)).at("read", path)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            match self.file.read(&mut buffer).at("read", path)? {
                0 => return Ok(announced.etag.is(digest)),
                read => digest.update(buffer.get(..read).unwrap_or_default()),
            }
        }
    }
}

/// How much came in the time of the longest silence.
struct Pace {
    patience: Duration,
    since: Instant,
    /// How much was there when that began.
    length: u64,
}

impl Pace {
    fn of(patience: Duration, length: u64) -> Self {
        Self {
            patience,
            since: Instant::now(),
            length,
        }
    }

    /// Whether next to nothing came in that time, now that `length` bytes are there.
    fn is_lost(&mut self, length: u64) -> bool {
        if self.since.elapsed() < self.patience {
            return false;
        }
        let came = length.saturating_sub(self.length);
        *self = Self::of(self.patience, length);
        came < SLOWEST
    }
}
