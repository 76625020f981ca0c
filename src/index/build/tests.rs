//! What is built, and what is refused.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::corpus::dataset::Reply;
use crate::dialogue::Turn;
use crate::fingerprint;
use crate::index::{Index, MANIFEST, REPLIES, VECTORS, records};

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

fn source() -> Provenance {
    Provenance {
        character: "Rufus".into(),
        query_weight: 0.0,
        bi_encoder: "bi".into(),
        weights: None,
        embedding: Some("so".into()),
        pool: "pool".into(),
        calibration: None,
    }
}

fn write(folder: &Path, dataset: &Dataset) -> Result<Manifest> {
    build(
        folder,
        dataset,
        Rights::OPEN,
        source(),
        false,
        embed,
        &mut (),
    )
}

#[test]
fn what_is_built_is_what_is_read_over_several_batches() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("runs/index");
    let dataset = dataset(BATCH + 7);
    let manifest = write(&folder, &dataset).unwrap();
    let index = Index::open(&folder).unwrap();
    assert_eq!(index.manifest(), &manifest);
    assert_eq!(manifest.source, source());
    assert_eq!((manifest.replies, manifest.width), (BATCH + 7, WIDTH));
    assert_eq!(index.len(), BATCH + 7);
    for (row, reply) in dataset.pool.iter().enumerate() {
        let entry = index.entry(row).unwrap();
        assert_eq!(entry.text, reply.text);
        assert_eq!(entry.exchanges, reply.exchanges);
        let first = entry.origin.map(|origin| origin.exchange);
        assert_eq!(first, reply.exchanges.first().copied());
        let stored = index.vector(row);
        for (stored, given) in stored.iter().zip(vector(&reply.text)) {
            assert!((stored.to_f32() - given).abs() < 1e-3);
        }
    }
    let some = [6, 0, BATCH + 6];
    let entries = index.entries(&some).unwrap();
    assert_eq!(entries, some.map(|row| index.entry(row).unwrap()));
    assert_eq!(index.entries(&[]).unwrap(), []);
    let origin = index.entry(6).unwrap().origin.unwrap();
    assert_eq!(origin.query.text, "query 3");
    assert_eq!(origin.context, ["Ada: before 3"]);

    let hits = index.search(&[0.0, 0.0, 1.0, 0.0, 0.0], 3).unwrap();
    let third = |row: usize| index.vector(row)[2];
    assert!((0..index.len()).all(|row| third(row) <= third(hits[0].row)));
    assert!(index.search(&[1.0; 4], 3).is_err());
}

#[test]
fn in_eight_bits_it_is_half_as_large_and_finds_the_same() {
    let root = tempfile::tempdir().unwrap();
    let dataset = dataset(40);
    let [whole, half] = [false, true].map(|eight| {
        let folder = root.path().join(eight.to_string());
        let rights = Rights::OPEN;
        let manifest = build(&folder, &dataset, rights, source(), eight, embed, &mut ()).unwrap();
        assert_eq!(manifest.dtype, if eight { "I8" } else { "F16" });
        folder
    });
    let indexes = [&whole, &half].map(|folder| Index::open(folder).unwrap());
    for row in 0..40 {
        let vectors = indexes.each_ref().map(|index| index.vector(row));
        for (a, b) in vectors[0].iter().zip(vectors[1]) {
            assert!((a.to_f32() - b.to_f32()).abs() < 0.01, "{a} {b}");
        }
        let query: Vec<f32> = vectors[0].iter().map(|x| x.to_f32()).collect();
        let [a, b] = indexes.each_ref().map(|one| one.search(&query, 1).unwrap());
        assert!((a[0].score - b[0].score).abs() < 0.02);
        assert_eq!(
            indexes[1].entry(row).unwrap(),
            indexes[0].entry(row).unwrap()
        );
    }
    let size = |folder: &Path| {
        let file = fs::read(folder.join("vectors.safetensors")).unwrap();
        safetensors::SafeTensors::deserialize(&file)
            .unwrap()
            .tensor("vectors")
            .unwrap()
            .data()
            .len()
    };
    assert_eq!(size(&half) * 2, size(&whole));
}

#[test]
fn a_reply_is_found_by_the_query_that_it_answered() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("index");
    let source = Provenance {
        query_weight: 1.0,
        ..source()
    };
    build(
        &folder,
        &dataset(4),
        Rights::OPEN,
        source,
        false,
        embed,
        &mut (),
    )
    .unwrap();
    let index = Index::open(&folder).unwrap();
    let (reply, query) = (vector("reply 2"), vector("query 1"));
    for (i, stored) in index.vector(2).iter().enumerate() {
        assert!((stored.to_f32() - (reply[i] + query[i]) / 2.0).abs() < 1e-3);
    }
    // It answers nobody.
    for (i, stored) in index.vector(1).iter().enumerate() {
        assert!((stored.to_f32() - vector("reply 1")[i]).abs() < 1e-3);
    }
}

#[test]
fn the_vectors_are_a_safetensors_file_and_start_at_a_cache_line() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("index");
    write(&folder, &dataset(3)).unwrap();
    let file = fs::read(folder.join(VECTORS)).unwrap();
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

    let diverged = |texts: &[&str]| {
        let mut embeddings = embed(texts)?;
        if let Some(value) = embeddings.values.get_mut(4) {
            *value = f32::NAN;
        }
        Ok(embeddings)
    };
    assert!(
        build(
            &folder,
            &dataset(12),
            Rights::OPEN,
            source(),
            false,
            diverged,
            &mut ()
        )
        .is_err()
    );
    assert_eq!(Index::open(&folder).unwrap().len(), 8);
    let left: Vec<_> = fs::read_dir(root.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn no_reply_is_an_error_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let error = write(&root.path().join("index"), &dataset(0)).unwrap_err();
    assert_eq!(error.remedy(), Remedy::Remake(Step::Prepare));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn the_replies_are_a_table_that_any_reader_of_csv_reads() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("index");
    let mut dataset = dataset(3);
    dataset.pool[0].text = "\"Pie\", he said,\nand \"more pie\".".into();
    dataset.pool[2].exchanges = vec![1, 0];
    write(&folder, &dataset).unwrap();
    let mut reader = csv::Reader::from_path(folder.join(REPLIES)).unwrap();
    assert_eq!(reader.headers().unwrap(), &records::COLUMNS[..]);
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(&rows[0][0], dataset.pool[0].text);
    assert_eq!(rows[1], vec!["reply 1", "", "", "", "", "", ""]);
    let third = [
        "reply 2",
        "1",
        "0",
        "Ada",
        "query 1",
        "Ada: before 1",
        "1 0",
    ];
    assert_eq!(rows[2], third[..]);
    // A record that spans lines does not move the others.
    let index = Index::open(&folder).unwrap();
    assert_eq!(index.entry(0).unwrap().text, dataset.pool[0].text);
    assert_eq!(index.entry(2).unwrap().exchanges, [1, 0]);
}

/// An index of nine replies that can be damaged.
struct Damaged {
    root: tempfile::TempDir,
    folder: PathBuf,
}

impl Damaged {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("index");
        write(&folder, &dataset(9)).unwrap();
        Self { root, folder }
    }

    /// What opening says, which is also what to do.
    fn refused(&self, what: &str) -> String {
        let Err(error) = Index::open(&self.folder) else {
            panic!("{what}: opened");
        };
        let remedies = [Remedy::Make, Remedy::Remake].map(|one| one(Step::BuildIndex));
        assert!(remedies.contains(&error.remedy()), "{what}: {error}");
        error.to_string()
    }

    fn edit(&self, from: &str, to: &str) {
        let path = self.folder.join(MANIFEST);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        fs::write(&path, text.replace(from, to)).unwrap();
    }
}

#[test]
fn a_missing_or_cut_file_is_said() {
    for name in [VECTORS, REPLIES, MANIFEST] {
        let index = Damaged::new();
        let file = index.folder.join(name);
        let bytes = fs::read(&file).unwrap();
        for keep in [0, 1, 7, bytes.len() / 2, bytes.len() - 2] {
            fs::write(&file, &bytes[..keep]).unwrap();
            let error = index.refused(&format!("{name} cut to {keep} bytes"));
            assert!(error.contains(name), "{error}");
        }
        fs::remove_file(&file).unwrap();
        index.refused(&format!("no {name}"));
    }
}

#[test]
fn a_file_of_another_index_or_an_edited_one_is_said() {
    let index = Damaged::new();
    let other = index.root.path().join("other");
    write(&other, &dataset(8)).unwrap();
    fs::copy(other.join(VECTORS), index.folder.join(VECTORS)).unwrap();
    assert!(
        index
            .refused("vectors of another")
            .contains("of another index")
    );

    let index = Damaged::new();
    let file = index.folder.join(REPLIES);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("reply 4", "REPLY 4")).unwrap();
    assert!(index.refused("an edited reply").contains("changed"));
}

#[test]
fn every_byte_of_a_large_index_counts() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("index");
    // Longer than the samples that its fingerprint is taken from.
    write(&folder, &dataset(40_000)).unwrap();
    let file = folder.join(VECTORS);
    let mut bytes = fs::read(&file).unwrap();
    let before = fingerprint::of_bytes(&bytes);
    bytes[5000] ^= 1;
    assert_eq!(fingerprint::of_bytes(&bytes), before);
    fs::write(&file, &bytes).unwrap();
    let error = Index::open(&folder).err().unwrap().to_string();
    assert!(
        error.contains("damaged") && error.contains(VECTORS),
        "{error}"
    );
}

#[test]
fn an_edited_manifest_is_said() {
    for (from, to, what) in [
        ("\"replies\": 9", "\"replies\": 8", "[9, 5]"),
        ("\"width\": 5", "\"width\": 6", "[9, 5]"),
        ("\"dtype\": \"F16\"", "\"dtype\": \"F32\"", "F32"),
        ("\"dtype\": \"F16\"", "\"dtype\": \"I8\"", "I8 [9, 5]"),
        ("\"format\": 2", "\"format\": 3", "format 3"),
        ("\"format\": 2", "\"format\": \"two\"", "\"two\""),
        ("\"character\"", "\"persona\"", "character"),
        ("\"query_weight\": 0.0", "\"query_weight\": \"-3\"", "-3"),
        ("\"replies.csv\"", "\"replies.jsonl\"", "replies.csv"),
    ] {
        let index = Damaged::new();
        index.edit(from, to);
        let error = index.refused(to);
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn a_record_that_is_damaged_though_its_checksum_is_right_is_said_when_it_is_read() {
    let index = Damaged::new();
    let file = index.folder.join(REPLIES);
    let bytes = fs::read(&file).unwrap();
    let before = fingerprint::of_file(&file).unwrap();
    let other = vec![b'x'; bytes.len()];
    fs::write(&file, &other).unwrap();
    index.edit(&before, &fingerprint::of_file(&file).unwrap());
    let checksum = fingerprint::checksum;
    assert!(index.refused("another checksum").contains("damaged"));
    index.edit(&checksum(&bytes), &checksum(&other));
    let opened = Index::open(&index.folder).unwrap();
    let error = opened.entry(4).unwrap_err().to_string();
    assert!(
        error.contains("reply 5") && error.contains(REPLIES),
        "{error}"
    );
}
