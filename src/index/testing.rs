//! Indexes of made-up vectors, for tests and benches.

use std::path::Path;

use super::build::build;
use super::manifest::{Manifest, Provenance};
use crate::corpus::dataset::{Dataset, Reply};
use crate::error::Result;
use crate::files::Rights;
use crate::model::bi_encoder::Embeddings;

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
    let reply = |number: usize| Reply {
        text: format!("reply {number}"),
        exchanges: vec![],
    };
    let dataset = Dataset {
        settings: Default::default(),
        train: vec![],
        valid: vec![],
        test: vec![],
        pool: (0..replies).map(reply).collect(),
    };
    let source = Provenance {
        character: "Rufus".into(),
        query_weight: 1.0,
        bi_encoder: "bi".into(),
        weights: None,
        pool: "pool".into(),
        calibration: None,
    };
    build(folder, &dataset, Rights::OPEN, source, embed, &mut ())
}
