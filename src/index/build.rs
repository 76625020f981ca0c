//! From a dataset and a bi-encoder to an index.

use std::collections::HashMap;
use std::path::Path;

use super::write::IndexWriter;
use super::{Calibration, Entry, FORMAT, Origin, Settings, calibrate, fingerprint};
use crate::chat::load::{POOL, WEIGHTS, load_bi_encoder};
use crate::corpus::exchange::{Dataset, Exchange};
use crate::error::{Error, Result};
use crate::model::bi_encoder::Embeddings;
use crate::model::device::Compute;
use crate::project::Project;

/// Replies embedded in one call: enough that sorting them by length leaves little to waste, and
/// all the vectors that are in memory at a time.
const BATCH: usize = 512;

/// Embeds every distinct reply of the pool and puts the index in its place, instead of one that
/// was there. `progress` is told how many replies are done.
///
/// # Errors
/// [`Error::NotMade`] where there is no bi-encoder; there is no reply, the bi-encoder fails, or
/// the folder cannot be written.
pub fn build(
    project: &Project,
    compute: &Compute,
    dataset: &Dataset,
    progress: impl FnMut(usize),
) -> Result<Settings> {
    let encoder = load_bi_encoder(project, compute)?;
    let source = Source {
        bi_encoder: fingerprint::of_file(&project.bi_encoder_model().join(WEIGHTS))?,
        pool: fingerprint::of_file(&project.exchanges().join(POOL))?,
        calibration: calibrate::calibrate(&encoder, &dataset.valid)?,
    };
    let embed = |replies: &[&str]| encoder.embed_replies(replies);
    stream(&project.index(), dataset, source, embed, progress)
}

/// What the settings say beside the dataset's part.
struct Source {
    bi_encoder: String,
    pool: String,
    calibration: Option<Calibration>,
}

/// Embeds and writes batch by batch.
fn stream(
    folder: &Path,
    dataset: &Dataset,
    source: Source,
    mut embed: impl FnMut(&[&str]) -> Result<Embeddings>,
    mut progress: impl FnMut(usize),
) -> Result<Settings> {
    let pool = &dataset.pool;
    let exchanges: HashMap<usize, &Exchange> = dataset
        .exchanges()
        .into_iter()
        .map(|exchange| (exchange.id, exchange))
        .collect();
    let mut writer: Option<IndexWriter> = None;
    let mut width = 0;
    let mut done = 0;
    for batch in pool.chunks(BATCH) {
        let texts: Vec<&str> = batch.iter().map(|reply| reply.text.as_str()).collect();
        let embeddings = embed(&texts)?;
        let writer = match &mut writer {
            Some(writer) => writer,
            None => {
                width = embeddings.width;
                writer.insert(IndexWriter::create(folder, pool.len(), width)?)
            }
        };
        for (row, reply) in batch.iter().enumerate() {
            let answered = reply.exchanges.iter().filter_map(|id| exchanges.get(id));
            let entry = Entry {
                text: reply.text.clone(),
                answers: answered.map(|&exchange| Origin::from(exchange)).collect(),
            };
            writer.push(&entry, embeddings.row(row))?;
        }
        done += batch.len();
        progress(done);
    }
    let Some(writer) = writer else {
        return Err(Error::Setting(
            "the prepared dialogue holds no reply\n  prepare it again with `homer prepare SCRIPT.csv`"
                .into(),
        ));
    };
    let settings = Settings {
        format: FORMAT,
        character: dataset.settings.character.clone(),
        replies: pool.len(),
        width,
        bi_encoder: source.bi_encoder,
        pool: source.pool,
        calibration: source.calibration,
    };
    writer.finish(&settings)?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{Index, replies_file, settings_file, vectors_file};
    use super::*;
    use crate::corpus::exchange::{Reply, Turn};

    const WIDTH: usize = 5;

    /// A pool of `replies` lines; every second one answers an exchange.
    fn dataset(replies: usize) -> Dataset {
        let turn = |text: String| Turn {
            speaker: "Ada".into(),
            text,
        };
        let exchange = |id: usize| Exchange {
            id,
            scene: id / 3,
            context: vec![turn(format!("before {id}"))],
            query: turn(format!("query {id}")),
            reply: format!("reply {}", 2 * id),
            close_replies: vec![],
            good_replies: vec![],
            bad_replies: vec![],
        };
        let reply = |i: usize| Reply {
            text: format!("reply {i}"),
            exchanges: if i.is_multiple_of(2) {
                vec![i / 2]
            } else {
                vec![]
            },
        };
        Dataset {
            settings: serde_json::from_value(serde_json::json!({
                "source": "play.csv", "character": "Rufus", "seed": 1,
            }))
            .unwrap(),
            train: (0..replies.div_ceil(2)).map(exchange).collect(),
            valid: vec![],
            test: vec![],
            pool: (0..replies).map(reply).collect(),
        }
    }

    /// A vector that depends on the text alone.
    fn vector(text: &str) -> Vec<f32> {
        let seed: f32 = text.bytes().map(f32::from).sum();
        let length = text.len() as f32;
        (0..WIDTH)
            .map(|i| (seed * (i + 1) as f32 + length).sin())
            .collect()
    }

    fn embed(texts: &[&str]) -> Result<Embeddings> {
        Ok(Embeddings {
            width: WIDTH,
            values: texts.iter().flat_map(|text| vector(text)).collect(),
        })
    }

    fn write(folder: &Path, dataset: &Dataset) -> Result<Settings> {
        let source = Source {
            bi_encoder: "bi".into(),
            pool: "pool".into(),
            calibration: None,
        };
        stream(folder, dataset, source, embed, |_| {})
    }

    #[test]
    fn what_is_built_is_what_is_read_over_several_batches() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("runs/index");
        let dataset = dataset(BATCH + 7);
        let settings = write(&folder, &dataset).unwrap();
        let index = Index::open(&folder).unwrap();
        assert_eq!(index.settings(), &settings);
        assert_eq!(index.len(), BATCH + 7);
        for (row, reply) in dataset.pool.iter().enumerate() {
            let entry = index.entry(row).unwrap();
            assert_eq!(entry.text, reply.text);
            let ids: Vec<usize> = entry.answers.iter().map(|origin| origin.exchange).collect();
            assert_eq!(ids, reply.exchanges);
            let stored = &index.vectors()[row * WIDTH..(row + 1) * WIDTH];
            for (stored, given) in stored.iter().zip(vector(&reply.text)) {
                assert!((stored.to_f32() - given).abs() < 1e-3);
            }
        }
        let entry = index.entry(6).unwrap();
        assert_eq!(entry.answers[0].query.text, "query 3");
        assert_eq!(entry.answers[0].context[0].text, "before 3");

        let hits = index.search(&[0.0, 0.0, 1.0, 0.0, 0.0], 3).unwrap();
        let third = |row: usize| index.vectors()[row * WIDTH + 2];
        assert!((0..index.len()).all(|row| third(row) <= third(hits[0].row)));
        assert!(index.search(&[1.0; 4], 3).is_err());
    }

    #[test]
    fn the_vectors_are_a_safetensors_file_and_start_at_a_cache_line() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("index");
        write(&folder, &dataset(3)).unwrap();
        let file = fs::read(vectors_file(&folder)).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
        let vectors = tensors.tensor("vectors").unwrap();
        assert_eq!(vectors.shape(), [3, WIDTH]);
        let start = vectors.data().as_ptr() as usize - file.as_ptr() as usize;
        assert_eq!(start % 64, 0);
        assert_eq!(tensors.tensor("offsets").unwrap().shape(), [4]);
    }

    #[test]
    fn an_index_is_replaced_as_a_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("index");
        write(&folder, &dataset(3)).unwrap();
        let open = Index::open(&folder).unwrap();
        write(&folder, &dataset(8)).unwrap();
        assert_eq!(open.entry(2).unwrap().text, "reply 2");
        assert_eq!(Index::open(&folder).unwrap().len(), 8);

        let source = Source {
            bi_encoder: "bi".into(),
            pool: "pool".into(),
            calibration: None,
        };
        let diverged = |texts: &[&str]| {
            let mut embeddings = embed(texts)?;
            embeddings.values[4] = f32::NAN;
            Ok(embeddings)
        };
        assert!(stream(&folder, &dataset(4), source, diverged, |_| {}).is_err());
        assert_eq!(Index::open(&folder).unwrap().len(), 8);
        let left: Vec<_> = fs::read_dir(root.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn no_reply_is_an_error_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let error = write(&root.path().join("index"), &dataset(0)).unwrap_err();
        assert!(error.to_string().contains("homer prepare"), "{error}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn damage_is_said_with_the_file_and_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("index");
        let refused = |what: &str| {
            let error = match Index::open(&folder) {
                Ok(_) => panic!("{what}: opened"),
                Err(error) => error.to_string(),
            };
            assert!(error.contains("homer build-index"), "{what}: {error}");
            error
        };
        assert!(refused("nothing there").contains("there is no index"));

        let whole = dataset(9);
        for (name, file) in [
            ("vectors", vectors_file(&folder)),
            ("replies", replies_file(&folder)),
            ("settings", settings_file(&folder)),
        ] {
            write(&folder, &whole).unwrap();
            let bytes = fs::read(&file).unwrap();
            for keep in [0, 1, 7, bytes.len() / 2, bytes.len() - 2] {
                fs::write(&file, &bytes[..keep]).unwrap();
                let error = refused(&format!("{name} cut to {keep} bytes"));
                assert!(error.contains(&*file.to_string_lossy()), "{error}");
            }
        }

        write(&folder, &whole).unwrap();
        let other = root.path().join("other");
        write(&other, &dataset(8)).unwrap();
        fs::copy(vectors_file(&other), vectors_file(&folder)).unwrap();
        assert!(refused("vectors of another index").contains("belongs"));

        write(&folder, &whole).unwrap();
        let bytes = fs::read(replies_file(&folder)).unwrap();
        fs::write(replies_file(&folder), vec![b'x'; bytes.len()]).unwrap();
        let error = Index::open(&folder).unwrap().entry(4).unwrap_err();
        assert!(error.to_string().contains("line 5"), "{error}");
    }
}
