//! Makes the index of a project: every reply of the character, with its vector.

use super::{Project, Retriever, note_unfinished};
use crate::corpus::dataset::Dataset;
use crate::error::{Error, Result, Step};
use crate::files::{self, Rights};
use crate::fingerprint::{self, Fnv};
use crate::hf::checkpoint::weights_name;
use crate::index::blend::QUERY_WEIGHT;
use crate::index::manifest::{Manifest, Provenance};
use crate::index::{build, calibrate};
use crate::model::bi_encoder::BiEncoder;
use crate::nn::device::Compute;
use crate::watch::Watch;

/// What can be chosen about an index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IndexSettings {
    /// Weight of the queries that a reply answered in its vector, see [`crate::index::blend`].
    pub query_weight: f32,
    /// Whether the vectors are stored in eight bits a value instead of sixteen.
    pub eight_bits: bool,
    /// Whether to compute on a GPU.
    pub gpu: bool,
    /// Whether a persona that another folder has put into the store is to be replaced.
    pub take_over: bool,
}

impl Default for IndexSettings {
    fn default() -> Self {
        Self {
            query_weight: QUERY_WEIGHT,
            eight_bits: false,
            gpu: false,
            take_over: false,
        }
    }
}

/// Embeds every distinct reply of the pool by the project's bi-encoder, else the encoder that comes with homer,
/// unless its vector stands in the index that is there, and puts the index in its place, see [`build::build`]; where the
/// project's replies are in a store, puts it there as well.
///
/// # Errors
/// [`Error::NotMade`] where there is no dialogue; [`Error::Busy`] where another build is at work;
/// [`Error::Interrupted`]; there is no reply, the bi-encoder fails, or the folder cannot be written.
pub fn build_index(
    project: &Project,
    settings: &IndexSettings,
    watch: &mut dyn Watch,
) -> Result<Manifest> {
    let (query_weight, eight) = (settings.query_weight, settings.eight_bits);
    if !(query_weight.is_finite() && query_weight >= 0.0) {
        return Err(Error::setting(
            format!("{query_weight} is no weight of the queries"),
            "give a number that is not negative",
        ));
    }
    let _lock = files::lock(&project.index(), "build")?;
    let compute = Compute::choose(settings.gpu)?;
    let dataset = Dataset::load(&project.exchanges())?;
    // A store that cannot be reached is said before the long work.
    let kept = project
        .replies()?
        .keep(&dataset.settings.character, settings.take_over)?;
    let retriever = project.retriever()?;
    note_unfinished(&project.bi_encoder(), Step::TrainBi, watch);
    let encoder = BiEncoder::load(&retriever.folder, &compute)?;
    let weights = weights_name(&retriever.folder).unwrap_or_default();
    let checksum = retriever.folder.checksum(weights)?;
    let source = Provenance {
        character: dataset.settings.character.clone(),
        query_weight,
        embedding: Some(embedding(
            &retriever,
            &checksum,
            query_weight,
            eight,
            &compute,
        )?),
        weights: Some(checksum),
        bi_encoder: retriever.fingerprint,
        pool: fingerprint::of_file(&project.pool())?,
        calibration: calibrate::calibrate(&encoder, &dataset.valid)?,
    };
    let embed = |texts: &[&str]| encoder.embed_replies(texts);
    let rights = Rights::of([project.pool()]);
    let manifest = build::build(
        &project.index(),
        &dataset,
        rights,
        source,
        eight,
        embed,
        watch,
    )?;
    kept.put(project, watch)?;
    Ok(manifest)
}

/// The files of a model's folder that decide a vector beside the weights, as far as they are there.
const DECIDING: [&str; 5] = [
    "config.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
];

/// A fingerprint of all that makes a vector out of texts. A GPU rounds in another way than the CPU, and by what it
/// multiplies in.
fn embedding(
    retriever: &Retriever,
    weights: &str,
    query_weight: f32,
    eight: bool,
    compute: &Compute,
) -> Result<String> {
    let mut print = Fnv::default();
    let products = match compute {
        Compute::Fast => "",
        Compute::Plain { products, .. } => products.as_str(),
    };
    let stored = if eight { " in eight bits" } else { "" };
    let fixed = format!(
        "{weights} {} {query_weight} {products}{stored}",
        retriever.fingerprint
    );
    print.add(fixed.as_bytes());
    for name in DECIDING {
        if retriever.folder.has(name) {
            let checksum = retriever.folder.checksum(name)?;
            print.add(format!(" {name} {checksum}").as_bytes());
        }
    }
    Ok(print.to_string())
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn what_is_computed_in_another_way_is_another_embedding() {
        let home = tempfile::tempdir().unwrap();
        let retriever = Project::new(home.path()).retriever().unwrap();
        let plain = |products| Compute::Plain {
            device: Device::Cpu,
            products,
        };
        let computed = [Compute::Fast, plain(DType::F32), plain(DType::BF16)];
        let mut prints: Vec<String> = computed
            .iter()
            .map(|compute| embedding(&retriever, "weights", 1.0, false, compute).unwrap())
            .collect();
        prints.push(embedding(&retriever, "weights", 0.5, false, &Compute::Fast).unwrap());
        prints.push(embedding(&retriever, "weights", 1.0, true, &Compute::Fast).unwrap());
        prints.push(embedding(&retriever, "others", 1.0, false, &Compute::Fast).unwrap());
        assert_eq!(
            prints[0],
            embedding(&retriever, "weights", 1.0, false, &Compute::Fast).unwrap()
        );
        prints.sort();
        prints.dedup();
        assert_eq!(prints.len(), 6);
    }
}
