//! Fuzz targets: inputs made of sound ones by a seed, each of which is read or refused.
//!
//! A few seconds each here. A million inputs of one, and a single input again:
//!
//! ```text
//! HOMER_FUZZ=1000000 cargo test --release --test it fuzz::csv
//! HOMER_FUZZ=1 HOMER_FUZZ_FROM=4711 cargo test --release --test it fuzz::csv
//! ```

use std::fs;
use std::path::Path;

use homer::corpus::{Format, Named, Options, list_characters};
use homer::internals::{
    BiEncoder, Checkpoint, Config, Index, State, Tokenizer, checksum, clean, clean_name,
    grown_index, is_hidden, name_key, normalized, of_bytes, printable, printable_lines, read_json,
    read_safetensors, repair, restore_checkpoint, texts, tidy, write_checkpoint,
};
use homer::{Compute, Manifest, one_line};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::makers::{bi_encoder, copy, fixture, room};
use crate::persona::persona;

/// What means something to some reader.
const PIECES: [&[u8]; 44] = [
    b"\"",
    b"\n",
    b"\r\n",
    b",",
    b";",
    b"\t",
    b"|",
    b":",
    b"[",
    b"]",
    b"{",
    b"}",
    b"(",
    b")",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"1e-400",
    b"0.5",
    b"4294967296",
    b"18446744073709551615",
    b"99999999999999999999",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xc3",
    b"\xe2\x80\xae",
    b"\xe2\x80\x8d",
    b"\xf0\x9f\x98\x80",
    b"\xc4\xb0",
    b"\xc3\x83\xc2\xa9",
    b"\x1b[2J",
    b"NaN",
    b"F16",
    b"I8",
    b"../",
    b"\x85",
    b"h\x00",
];

/// Input `n` that is made of the seeds.
fn mutant(seeds: &[Vec<u8>], n: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(n);
    let mut bytes = seeds[rng.random_range(0..seeds.len())].clone();
    for _ in 0..rng.random_range(1..=6) {
        let at = rng.random_range(0..=bytes.len());
        let end = (at + rng.random_range(0..16)).min(bytes.len());
        match rng.random_range(0..8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = rng.random(),
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            4 => {
                let again = bytes[at..end].repeat(rng.random_range(1..20));
                bytes.splice(at..at, again);
            }
            5 => {
                let other = &seeds[rng.random_range(0..seeds.len())];
                let from = rng.random_range(0..=other.len());
                let to = (from + rng.random_range(0..64)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            _ => {
                let piece = PIECES[rng.random_range(0..PIECES.len())];
                let end = if rng.random() { end } else { at };
                bytes.splice(at..end, piece.iter().copied());
            }
        }
    }
    bytes
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Says which input it was that failed.
struct Input(u64);

impl Drop for Input {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again: HOMER_FUZZ=1 HOMER_FUZZ_FROM={}", self.0);
        }
    }
}

/// Calls `read` with `inputs` inputs made of the seeds, or as many as the environment says.
fn fuzz(seeds: &[Vec<u8>], inputs: u64, mut read: impl FnMut(&[u8])) {
    let from = number("HOMER_FUZZ_FROM").unwrap_or(0);
    let inputs = number("HOMER_FUZZ").unwrap_or(inputs);
    for n in from..from + inputs {
        let input = Input(n);
        read(&mutant(seeds, n));
        drop(input);
    }
}

/// The seeds that are kept in files.
fn kept(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/hostile/seeds");
    let mut paths: Vec<_> = fs::read_dir(folder.join(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// An error is for a person to read.
fn said<T>(outcome: homer::Result<T>) -> Option<T> {
    if let Err(error) = &outcome {
        assert!(error.to_string().len() < 12_000, "{error}");
    }
    outcome.ok()
}

/// A table, whose columns are named or not.
fn fuzz_table(inputs: u64, columns: &Named) {
    let home = room();
    let path = home.path().join("script.csv");
    let options = Options {
        format: Some(Format::Table),
        columns: columns.clone(),
        ..Options::new(&path)
    };
    fuzz(&kept("csv"), inputs, |bytes| {
        fs::write(&path, bytes).unwrap();
        said(list_characters(&options));
        said(texts(&options));
    });
}

#[test]
fn csv() {
    let named = Named {
        speaker: Some("speaker".into()),
        text: Some("text".into()),
        scenes: vec!["scene".into()],
        ..Named::default()
    };
    fuzz_table(5_000, &named);
}

#[test]
fn columns() {
    fuzz_table(5_000, &Named::default());
}

#[test]
fn clean_text() {
    fuzz(&kept("text"), 60_000, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let hidden = |c: char| {
            is_hidden(c) && !matches!(c, '\u{200c}' | '\u{200d}' | '\u{e0000}'..='\u{e007f}')
        };
        for out in [clean(&text), tidy(&text)] {
            assert!(out.len() <= text.len() && !out.contains(hidden), "{out:?}");
        }
        one_line(&text);
        clean_name(&text);
        name_key(&text);
        normalized(&text);
        assert!(!printable(&text).contains(char::is_control));
        let obeyed = |c: char| c.is_control() && !"\r\n\t".contains(c);
        assert!(!printable_lines(&text).contains(obeyed));
    });
}

#[test]
fn mojibake() {
    fuzz(&kept("text"), 60_000, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let (repaired, count) = repair(&text);
        // What makes a table a table stays where it is.
        let ascii = |text: &str| -> String { text.chars().filter(char::is_ascii).collect() };
        assert_eq!(ascii(&repaired), ascii(&text));
        assert_eq!(count == 0, repaired == text);
    });
}

#[test]
fn config() {
    let seeds: Vec<_> = ["bert", "distilbert", "bert_pairs"]
        .map(|name| fs::read(fixture(name).join("config.json")).unwrap())
        .into();
    fuzz(&seeds, 20_000, |bytes| {
        if let Ok(value) = serde_json::from_slice(bytes)
            && let Ok(config) = Config::from_json(value)
        {
            assert!(config.layers <= 256 && config.hidden <= 1 << 14 && config.vocab <= 1 << 22);
            assert_eq!(config.head_width() * config.heads, config.hidden);
        }
    });
}

#[test]
fn tokenizer() {
    let home = room();
    let small: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##b", "c"]
        .map(String::from)
        .into();
    Tokenizer::from_vocab(&small)
        .unwrap()
        .save(home.path(), 64)
        .unwrap();
    let json = fs::read(home.path().join("tokenizer.json")).unwrap();
    fs::remove_file(home.path().join("vocab.txt")).unwrap();
    fuzz(&[json], 4_000, |bytes| {
        fs::write(home.path().join("tokenizer.json"), bytes).unwrap();
        if let Some(tokenizer) = said(Tokenizer::load(home.path())) {
            tokenizer.ids();
            if let Some(tokens) = said(tokenizer.text("ab C, [SEP]\u{1F600} c", 16)) {
                assert!(tokens.ids.len() <= 16);
                assert!(tokens.ids.iter().all(|&id| (id as usize) < tokenizer.ids()));
            }
        }
    });
}

#[test]
fn safetensors() {
    let home = room();
    let path = home.path().join("model.safetensors");
    let header = br#"{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"I8","shape":[2,2],"data_offsets":[16,20]},"b.scale":{"dtype":"F32","shape":[2],"data_offsets":[20,28]},"c":{"dtype":"F16","shape":[2],"data_offsets":[28,32]}}"#;
    let mut small = (header.len() as u64).to_le_bytes().to_vec();
    small.extend_from_slice(header);
    small.extend([1; 32]);
    fs::write(&path, &small).unwrap();
    assert_eq!(read_safetensors(&path).unwrap().len(), 3);
    fuzz(&[small], 10_000, |bytes| {
        fs::write(&path, bytes).unwrap();
        for tensor in said(read_safetensors(&path)).unwrap_or_default() {
            if let Some(values) = tensor.values {
                assert!(values.to_f32().len() <= bytes.len());
            }
        }
    });
}

/// The pickle alone, in a file whose checksums are right.
#[test]
fn pickle() {
    let home = room();
    let path = home.path().join("pytorch_model.bin");
    let whole = fs::File::open(fixture("bert_bin/pytorch_model.bin")).unwrap();
    let mut whole = zip::ZipArchive::new(whole).unwrap();
    let mut entries: Vec<(String, Vec<u8>)> = Vec::new();
    for place in 0..whole.len() {
        let mut entry = whole.by_index(place).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        entries.push((name, bytes));
    }
    let place = entries
        .iter()
        .position(|(name, _)| name.ends_with("data.pkl"))
        .unwrap();
    let (name, sound) = entries.remove(place);
    // One storage is enough to read from.
    entries.retain(|(name, _)| name.ends_with("/data/0") || name.ends_with("/data/1"));
    entries.push((name, Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    // The beginning, where it says what the rest refers to, and all of it.
    let seeds = [[&sound[..398], b"u."].concat(), sound];
    fuzz(&seeds, 10_000, |bytes| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, held) in &entries {
            zip.start_file(name.as_str(), stored).unwrap();
            let held = if name.ends_with(".pkl") { bytes } else { held };
            std::io::Write::write_all(&mut zip, held).unwrap();
        }
        fs::write(&path, zip.finish().unwrap().into_inner()).unwrap();
        said(Checkpoint::open(home.path()));
    });
}

#[test]
fn pickle_file() {
    let home = room();
    let path = home.path().join("pytorch_model.bin");
    let whole = fs::read(fixture("bert_bin/pytorch_model.bin")).unwrap();
    fuzz(&[whole], 3_000, |bytes| {
        fs::write(&path, bytes).unwrap();
        said(Checkpoint::open(home.path()));
    });
}

/// The index of a tiny persona, opened and asked.
fn ask(folder: &Path) {
    let Some(index) = said(Index::open(folder)) else {
        return;
    };
    let query = vec![0.5; index.manifest().width];
    let hits = said(index.search(&query, 3)).unwrap_or_default();
    let rows: Vec<usize> = hits.iter().map(|hit| hit.row).collect();
    said(index.entries(&rows));
}

/// Fuzzes one file of an index that `make` makes, as far as its manifest does not know the others' bytes.
fn fuzz_index_of(make: impl FnOnce(&Path), name: &str, inputs: u64) {
    let room = room();
    let folder = &room.path().join("index");
    make(folder);
    let manifest: Manifest = read_json(&folder.join("manifest.json")).unwrap();
    let sound = fs::read(folder.join(name)).unwrap();
    fuzz(&[sound], inputs, |bytes| {
        fs::write(folder.join(name), bytes).unwrap();
        if name != "manifest.json" {
            // A stranger's manifest would know them.
            let mut manifest = manifest.clone();
            let print = of_bytes(bytes);
            manifest.files.insert(name.into(), print);
            let sum = checksum(bytes);
            manifest.checksums.insert(name.into(), sum);
            let json = serde_json::to_vec(&manifest).unwrap();
            fs::write(folder.join("manifest.json"), json).unwrap();
        }
        ask(folder);
    });
}

/// The same of the index of a tiny persona.
fn fuzz_index(name: &str, inputs: u64) {
    let make = |folder: &Path| copy(&persona().path("runs/index"), folder);
    fuzz_index_of(make, name, inputs);
}

/// The same of an index that has grown.
fn fuzz_grown(name: &str, inputs: u64) {
    let make = |folder: &Path| drop(grown_index(folder).unwrap());
    fuzz_index_of(make, name, inputs);
}

#[test]
fn index_vectors() {
    fuzz_index("vectors.safetensors", 4_000);
}

#[test]
fn index_replies() {
    fuzz_index("replies.csv", 4_000);
}

#[test]
fn index_grown_vectors() {
    fuzz_grown("vectors-2.safetensors", 2_000);
}

#[test]
fn index_rows() {
    fuzz_grown("rows.safetensors", 4_000);
}

#[test]
fn manifest() {
    fuzz_index("manifest.json", 4_000);
}

#[test]
fn manifest_grown() {
    fuzz_grown("manifest.json", 4_000);
}

/// A checkpoint of a tiny model, one of whose files is changed.
fn fuzz_checkpoint(inputs: u64, name: &str) {
    let home = room();
    let (model, folder) = (home.path().join("model"), home.path().join("checkpoint"));
    bi_encoder(&model);
    fs::create_dir(&folder).unwrap();
    let mut model = BiEncoder::load(&model, &Compute::Fast).unwrap();
    let state = State {
        step: 3,
        ..State::default()
    };
    write_checkpoint(&folder, &state, &model).unwrap();
    let path = folder.join(name);
    let sound = fs::read(&path).unwrap();
    fuzz(&[sound], inputs, |bytes| {
        fs::write(&path, bytes).unwrap();
        said(restore_checkpoint(&folder, &mut model));
    });
}

#[test]
fn checkpoint_state() {
    fuzz_checkpoint(3_000, "state.json");
}

#[test]
fn checkpoint_tensors() {
    fuzz_checkpoint(800, "step-3.safetensors");
}
