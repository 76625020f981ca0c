//! From bytes to text: where they come from, and how they are encoded.

use std::borrow::Cow;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use encoding_rs::{Encoding, UTF_8};

use super::records::{Records, detect_delimiter};
use crate::error::{Error, IoContext, Remedy, Result, Setting};
use crate::text::cut::at_most;
use crate::text::mojibake;
use crate::text::printable::printable;

/// What stands for the standard input among files.
pub(crate) const STDIN: &str = "-";

/// Of a message, at most so many characters are the file's.
const EXCERPT: usize = 400;

/// The encoding that a label names (`windows-1252`, `latin1`, `utf-16le`, `shift_jis`, …).
///
/// # Errors
/// An unknown label; see <https://encoding.spec.whatwg.org/#names-and-labels>.
pub fn encoding(label: &str) -> Result<&'static Encoding> {
    Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        Error::setting(
            format!("unknown encoding \"{label}\""),
            "try windows-1252, iso-8859-15, utf-16le, shift_jis or gbk",
        )
    })
}

/// A text file, decoded.
#[derive(Debug)]
pub(crate) struct Document {
    /// The file, as given.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
    /// How many characters had been mis-decoded once and were put right.
    pub repaired: usize,
}

impl Document {
    /// Reads and decodes `path` (`-`: the standard input): as `encoding` where given, else by its byte
    /// order mark, else as UTF-8.
    ///
    /// # Errors
    /// A missing, empty or undecodable file, with what to do.
    pub(crate) fn read(path: &Path, encoding: Option<&'static Encoding>) -> Result<Self> {
        let bytes = if path == Path::new(STDIN) {
            let mut bytes = Vec::new();
            let mut input = std::io::stdin().lock();
            input.read_to_end(&mut bytes).at("read", "standard input")?;
            bytes
        } else if path.exists() {
            fs::read(path).at("read", path)?
        } else {
            return Err(data(
                path,
                None,
                "no such file",
                "check the path; where none is given, the script in data/ is taken",
            ));
        };
        let decoded = decode(path, bytes, encoding)?;
        let (text, repaired) = match mojibake::repair(&decoded) {
            (Cow::Borrowed(_), _) => (decoded, 0),
            (Cow::Owned(text), repaired) => (text, repaired),
        };
        // DOS ended its text files with this; byte order marks also stand where files were joined.
        let text = match text.trim_end_matches(['\u{1a}', '\u{feff}']) {
            whole if whole.len() == text.len() => text,
            shorter => shorter.to_owned(),
        };
        if text.trim().is_empty() {
            return Err(data(
                path,
                None,
                "the file is empty",
                "give a script: a CSV with a header row and one line of speech a row, or one of the other \
                 formats",
            ));
        }
        Ok(Self {
            path: path.to_path_buf(),
            text,
            repaired,
        })
    }
}

fn decode(path: &Path, bytes: Vec<u8>, wanted: Option<&'static Encoding>) -> Result<String> {
    let (encoding, mark) = match (Encoding::for_bom(&bytes), wanted) {
        (Some((marked, length)), wanted) if wanted.is_none_or(|wanted| wanted == marked) => {
            (marked, length)
        }
        (_, wanted) => (wanted.unwrap_or(UTF_8), 0),
    };
    // What is UTF-8 is taken as it is, without a copy.
    let (text, bytes) = if encoding == UTF_8 && mark == 0 {
        match String::from_utf8(bytes) {
            Ok(text) => (Some(text), Vec::new()),
            Err(error) => (None, error.into_bytes()),
        }
    } else {
        let text =
            encoding.decode_without_bom_handling_and_without_replacement(unmarked(&bytes, mark));
        (text.map(Cow::into_owned), bytes)
    };
    if let Some(text) = text {
        if text.contains('\0') {
            return Err(data(
                path,
                None,
                "this is no text file, or its encoding is another",
                Remedy::from("export the sheet as CSV (UTF-8)")
                    .or(Remedy::choose_like(Setting::Encoding, "utf-16le")),
            ));
        }
        return Ok(text);
    }
    if encoding != UTF_8 {
        return Err(data(
            path,
            None,
            format!("the text is not valid {}", encoding.name()),
            Remedy::choose([Setting::Encoding]),
        ));
    }
    let valid = unmarked(&bytes, mark).utf8_chunks().next();
    let before = valid.map_or("", |chunk| chunk.valid());
    Err(data(
        path,
        Some(row_at_end(path, before)?),
        "the text is not valid UTF-8",
        Remedy::from("save the file as UTF-8")
            .or(Remedy::choose_like(Setting::Encoding, "windows-1252")),
    ))
}

/// The number of the row in which `text` breaks off.
fn row_at_end(path: &Path, text: &str) -> Result<u64> {
    // Whatever follows is some character: `x` stands for it.
    let text = format!("{text}x");
    let mut records = Records::new(&text, detect_delimiter(&text));
    while records.advance(path)? {}
    Ok(records.number)
}

/// What stands behind a byte order mark of that length.
fn unmarked(bytes: &[u8], mark: usize) -> &[u8] {
    bytes.get(mark..).unwrap_or_default()
}

/// An [`Error::Data`] about `path`, fit for a terminal and not longer than a person reads.
pub(crate) fn data(
    path: &Path,
    row: Option<u64>,
    what: impl Into<String>,
    remedy: impl Into<Remedy>,
) -> Error {
    let short = |text: String| {
        let mut text = match at_most(&text, EXCERPT) {
            whole if whole.len() == text.len() => text,
            start => format!("{start}…"),
        };
        if let std::borrow::Cow::Owned(fit) = printable(&text) {
            text = fit;
        }
        text
    };
    let path = if path == Path::new(STDIN) {
        Path::new("standard input")
    } else {
        path
    };
    Error::Data {
        path: path.to_path_buf(),
        row,
        what: short(what.into()),
        remedy: match remedy.into() {
            Remedy::Advice(advice) => Remedy::Advice(short(advice.into_owned()).into()),
            other => other,
        },
    }
}
