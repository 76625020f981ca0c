//! Indexes of made-up vectors, for tests and benches: a small one that has grown, which of itself one does from a
//! hundred thousand replies on, and large ones.

use std::path::Path;

use super::build::build_within;
use super::manifest::{Manifest, Provenance};
use super::reuse::Limits;
use crate::corpus::dataset::{Dataset, Reply};
use crate::error::Result;
use crate::files::Rights;
use crate::model::bi_encoder::Embeddings;

/// Width of the vectors: the least that has them in four bits too.
const WIDTH: usize = 128;

/// Limits under which every index grows.
pub(super) const SMALL: Limits = Limits {
    large: 1,
    coded: 1,
    eight: false,
    parts: 3,
};

/// Replies by their numbers.
pub(super) fn dataset(numbers: impl Iterator<Item = usize>) -> Dataset {
    let reply = |number: usize| Reply {
        text: format!("reply {number}"),
        exchanges: vec![],
    };
    Dataset {
        settings: Default::default(),
        train: vec![],
        valid: vec![],
        test: vec![],
        pool: numbers.map(reply).collect(),
    }
}

/// What an index of these tests is made of.
pub(super) fn source() -> Provenance {
    Provenance {
        character: "Rufus".into(),
        query_weight: 1.0,
        bi_encoder: "bi".into(),
        weights: None,
        embedding: Some("so".into()),
        pool: "pool".into(),
        calibration: None,
    }
}

/// Vectors that depend on the texts alone.
pub(super) fn embed(texts: &[&str]) -> Result<Embeddings> {
    let vector = |text: &&str| {
        let seed = text
            .bytes()
            .fold(1.0f32, |sum, byte| (sum * 1.37 + f32::from(byte)) % 1000.0);
        (0..WIDTH).map(move |i| (seed * (i + 1) as f32).sin() / 8.0)
    };
    Ok(Embeddings {
        width: WIDTH,
        values: texts.iter().flat_map(vector).collect(),
    })
}

/// Writes an index of so many replies, with vectors of this width that `fill` makes, as `build-index` would.
///
/// # Errors
/// The folder cannot be written.
pub fn sample_index(
    folder: &Path,
    [replies, width]: [usize; 2],
    fill: impl Fn(usize, &mut [f32]),
) -> Result<Manifest> {
    let mut row = 0;
    let embed = |texts: &[&str]| {
        let mut values = vec![0.0; texts.len() * width];
        for vector in values.chunks_mut(width) {
            fill(row, vector);
            row += 1;
        }
        Ok(Embeddings { width, values })
    };
    let (dataset, rights) = (dataset(0..replies), Rights::OPEN);
    let limits = Limits::default();
    build_within(limits, folder, &dataset, rights, source(), embed, &mut ())
}

/// Writes an index of forty replies to `folder` that has grown twice and lost some.
///
/// # Errors
/// The folder cannot be written.
pub fn grown_index(folder: &Path) -> Result<Manifest> {
    let build = |numbers: &mut dyn Iterator<Item = usize>| {
        let dataset = dataset(numbers);
        let rights = Rights::OPEN;
        build_within(SMALL, folder, &dataset, rights, source(), embed, &mut ())
    };
    build(&mut (0..30))?;
    build(&mut (2..36))?;
    build(&mut (4..44))
}
