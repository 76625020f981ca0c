//! Tells one thing from another by a short text: a file without reading all of it.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{IoContext, Result};

/// Pieces that are read, evenly spread from the first byte to the last.
const PIECES: u64 = 64;
/// Bytes of a piece.
const PIECE: u64 = 4096;

/// FNV-1a (Fowler, Noll and Vo), 64 bits; written, it is sixteen hexadecimal digits.
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Goes on with these bytes.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    /// The hash of all that was added.
    pub(crate) fn value(&self) -> u64 {
        self.0
    }
}

impl fmt::Display for Fnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The file's length and a hash (FNV-1a) of a sample of it, as text. Training moves every layer's
/// weights, so that two trainings always differ; no defence against somebody who wants to cheat.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn of_file(path: &Path) -> Result<String> {
    let file = File::open(path).at("read", path)?;
    let length = file.metadata().at("read", path)?.len();
    sample(file, length).at("read", path)
}

/// The same of what a file holds.
pub fn of_bytes(bytes: &[u8]) -> String {
    // Reading memory cannot fail.
    sample(Cursor::new(bytes), bytes.len() as u64).unwrap_or_default()
}

/// What [`of_bytes`] does not see: every byte, as the CRC-32 that zip and PNG files know theirs by, eight
/// hexadecimal digits. It tells damage, and is no defence against somebody who wants to cheat either.
pub fn checksum(bytes: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(bytes))
}

fn sample(mut file: impl Read + Seek, length: u64) -> io::Result<String> {
    let mut hash = Fnv::default();
    let mut buffer = Vec::with_capacity(PIECE as usize);
    let last = length.saturating_sub(PIECE);
    let pieces = length.div_ceil(PIECE).min(PIECES);
    for piece in 0..pieces {
        let start = (u128::from(last) * u128::from(piece) / u128::from((pieces - 1).max(1))) as u64;
        file.seek(SeekFrom::Start(start))?;
        buffer.clear();
        Read::by_ref(&mut file)
            .take(PIECE)
            .read_to_end(&mut buffer)?;
        hash.add(&buffer);
    }
    Ok(format!("{length}-{hash}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_small_file_and_the_ends_of_a_large_one_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let of = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            of_file(&path).unwrap()
        };
        assert_ne!(of(b""), of(b"\0"));
        let mut small = vec![0; 10_000];
        let before = of(&small);
        assert_eq!(before, of(&small));
        for at in [0, 1, 4096, 5000, 9_999] {
            small[at] = 1;
            assert_ne!(before, of(&small), "byte {at}");
            small[at] = 0;
        }
        let mut large = vec![0; 3_000_000];
        let before = of(&large);
        for at in [0, 2_999_999] {
            large[at] = 1;
            assert_ne!(before, of(&large), "byte {at}");
            large[at] = 0;
        }
    }
}
