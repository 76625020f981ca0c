//! What an index says of itself.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::write::Size;
use super::{Calibration, MANIFEST, PARTS, REPLIES, ROWS, VECTORS};
use crate::error::{Error, Remedy, Result, Step};
use crate::folder::Folder;
use crate::text::printable::printable;
use crate::{files, fingerprint};

/// The numbers of the layouts, of an index in one piece and of one that has grown; a folder of another number is
/// refused.
const WHOLE: u64 = 2;
const GROWN: u64 = 3;
/// The weight of the queries from which on what a line says is of no account for finding it.
const WRITTEN_FROM: f32 = 10.0;
/// How values are stored, in safetensors' words.
const SIXTEEN: &str = "F16";
const EIGHT: &str = "I8";

/// What an index was made of, and how it is to be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Whose replies they are.
    pub character: String,
    /// Weight of the queries that a reply answered in its vector, see [`super::blend`].
    #[serde(default)]
    pub query_weight: f32,
    /// [Fingerprint](crate::fingerprint) of the bi-encoder's weights.
    pub bi_encoder: String,
    /// [Checksum](crate::fingerprint::checksum) of the same; `None` in an index of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// A fingerprint of all that makes a vector out of texts: weights, tokenizer, weight of the queries, precision. Vectors
    /// are used again by the same only. `None` in an index of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<String>,
    /// [Fingerprint](crate::fingerprint) of the pool.
    pub pool: String,
    /// What validation says about scores; `None` where there was too little of it.
    pub calibration: Option<Calibration>,
}

impl Provenance {
    /// Whether its lines were written as answers, and are found by what they answer.
    pub(crate) fn is_written(&self) -> bool {
        self.query_weight >= WRITTEN_FROM
    }
}

/// What an index says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The number of the layout.
    pub format: u64,
    /// What it was made of.
    #[serde(flatten)]
    pub source: Provenance,
    /// Number of replies.
    pub replies: usize,
    /// Width of a vector.
    pub width: usize,
    /// How its values are stored.
    pub dtype: String,
    /// Number of vectors in each of its files, of an index that has grown: some may be nobody's any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<usize>,
    /// [Fingerprint](crate::fingerprint) of the other files of the folder, by name.
    pub files: BTreeMap<String, String>,
    /// [Checksum](fingerprint::checksum) of all that they hold, by name; empty in an index of an earlier
    /// version, whose files are then looked at in samples only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checksums: BTreeMap<String, String>,
    /// How the persona did in its last test, as far as there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Value>,
}

/// Notes the figures of a test in the manifest of the index in `folder`, if there is one, and nobody is about to
/// put another in its place.
///
/// # Errors
/// The manifest cannot be read or written.
pub(crate) fn note_evaluation(folder: &Path, figures: &Value) -> Result<()> {
    let path = folder.join(MANIFEST);
    if !path.is_file() {
        return Ok(());
    }
    let _lock = match files::lock(folder, "build") {
        Err(Error::Busy { .. }) => return Ok(()),
        lock => lock?,
    };
    files::stays(&path)?;
    let mut manifest: serde_json::Map<String, Value> = files::read_json(&path)?;
    manifest.insert("evaluation".into(), figures.clone());
    files::write_json(&path, &manifest)
}

impl Manifest {
    /// The manifest of the files that stand in `folder`; `parts` are the numbers of vectors in each file of one
    /// that has grown. What `kept` knows of files that it shares with it is not read again.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn of(
        folder: &Path,
        size: Size,
        parts: Vec<usize>,
        source: Provenance,
        kept: Option<&Self>,
    ) -> Result<Self> {
        let folder = &Folder::from(folder);
        let mut manifest = Self {
            format: if parts.is_empty() { WHOLE } else { GROWN },
            source,
            replies: size.replies,
            width: size.width,
            dtype: if size.eight { EIGHT } else { SIXTEEN }.into(),
            parts,
            files: BTreeMap::new(),
            checksums: BTreeMap::new(),
            evaluation: None,
        };
        let shared = kept.map_or(0, |kept| kept.parts().count());
        for (place, name) in manifest.names().into_iter().enumerate() {
            let kept = kept.filter(|_| place < shared);
            let known =
                |of: fn(&Self) -> &BTreeMap<String, String>| Some(of(kept?).get(name)?.clone());
            let print = match known(|kept| &kept.files) {
                Some(print) => print,
                None => folder.fingerprint(name)?,
            };
            let checksum = match known(|kept| &kept.checksums) {
                Some(checksum) => checksum,
                None => folder.checksum(name)?,
            };
            manifest.files.insert(name.into(), print);
            manifest.checksums.insert(name.into(), checksum);
        }
        Ok(manifest)
    }

    /// Whether its vectors are stored in eight bits a value.
    pub(super) fn is_eight(&self) -> bool {
        self.dtype == EIGHT
    }

    /// Whether it has grown since it was in one piece.
    pub(super) fn has_grown(&self) -> bool {
        !self.parts.is_empty()
    }

    /// The files of vectors, with the number of vectors in each.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let whole = (!self.has_grown()).then_some((VECTORS, self.replies));
        let parts = PARTS.into_iter().zip(self.parts.iter().copied());
        whole.into_iter().chain(parts)
    }

    /// The files beside the manifest, those of vectors first.
    fn names(&self) -> Vec<&'static str> {
        let parts = self.parts().map(|(name, _)| name);
        let rows = self.has_grown().then_some(ROWS);
        parts.chain(rows).chain([REPLIES]).collect()
    }

    /// Reads the manifest in `folder`, and makes sure that the other files are those it speaks of.
    ///
    /// # Errors
    /// [`Error::NotMade`] where there is none; [`Error::Model`] where it is damaged or of another
    /// version, or a file is not the one that was written with it.
    pub(crate) fn read(folder: impl Into<Folder>) -> Result<Self> {
        let folder = &folder.into();
        let path = folder.path(MANIFEST);
        if !folder.has(MANIFEST) {
            return Err(Error::NotMade {
                what: "index",
                path: folder.to_path_buf(),
                remedy: Remedy::Make(Step::BuildIndex),
            });
        }
        let value: Value = match folder.json(MANIFEST) {
            Err(Error::Model { what, .. }) => return Err(damaged(&path, &what)),
            read => read?,
        };
        if let Some(format) = value
            .get("format")
            .and_then(Value::as_u64)
            .filter(|format| ![WHOLE, GROWN].contains(format))
        {
            let what = format!(
                "an index of format {format}, where this version of homer reads {WHOLE} and {GROWN}"
            );
            return Err(damaged(&path, &what));
        }
        let mut manifest: Self =
            serde_json::from_value(value).map_err(|error| damaged(&path, &error.to_string()))?;
        manifest.source.character = printable(&manifest.source.character).into_owned();
        if ![SIXTEEN, EIGHT].contains(&manifest.dtype.as_str()) {
            let what = format!(
                "vectors of {}, where homer reads {SIXTEEN} and {EIGHT}",
                manifest.dtype
            );
            return Err(damaged(&path, &what));
        }
        // A number in JSON may be larger than any that is computed with.
        let Provenance {
            query_weight,
            calibration,
            ..
        } = &manifest.source;
        let least = calibration.as_ref().map_or(0.0, |known| known.min_score);
        if !query_weight.is_finite() || !least.is_finite() {
            return Err(damaged(
                &path,
                "the weight of the queries or the least score is no number",
            ));
        }
        if manifest.has_grown() != (manifest.format == GROWN) || manifest.parts.len() > PARTS.len()
        {
            let (format, parts) = (manifest.format, manifest.parts.len());
            let what = format!("an index of format {format} with {parts} parts");
            return Err(damaged(&path, &what));
        }
        for name in manifest.names() {
            if !folder.has(name) {
                return Err(damaged(&folder.path(name), "missing"));
            }
            if manifest.files.get(name) != Some(&folder.fingerprint(name)?) {
                let what = "cut short, changed, or of another index than its manifest.json";
                return Err(damaged(&folder.path(name), what));
            }
        }
        Ok(manifest)
    }

    /// Makes sure that the file `name` of the folder holds the bytes that were written with the manifest.
    ///
    /// # Errors
    /// It does not: what is wrong, with the file.
    pub(super) fn check(&self, folder: &Folder, name: &str, bytes: &[u8]) -> Result<()> {
        let known = self.checksums.get(name);
        if known.is_some_and(|known| *known != fingerprint::checksum(bytes)) {
            let what = "damaged: not the bytes that were written with its manifest.json";
            return Err(damaged(&folder.path(name), what));
        }
        Ok(())
    }
}

/// A file of an index that cannot be used, with what to do about it.
pub(super) fn damaged(path: &Path, what: &str) -> Error {
    Error::model(path, what, Remedy::Remake(Step::BuildIndex))
}
