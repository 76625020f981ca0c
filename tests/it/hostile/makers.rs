//! Sound files to damage, and ways to damage them.

use std::fs;
use std::path::{Path, PathBuf};

use homer::internals::{BiEncoder, Family, tiny_encoder_folder};
use homer::{Compute, Precision};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// A folder in memory where there is one: these tests write thousands of files.
pub(crate) fn room() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    match tempfile::tempdir_in(memory) {
        Ok(folder) => folder,
        Err(_) => tempfile::tempdir().unwrap(),
    }
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
}

/// A bi-encoder's folder with every file that one may have.
pub(crate) fn bi_encoder(folder: &Path) {
    let plain = tempfile::tempdir().unwrap();
    tiny_encoder_folder(plain.path(), Family::Bert, &["boat", "pie"], 1).unwrap();
    let model = BiEncoder::load(plain.path(), &Compute::Fast).unwrap();
    model.save(folder, Precision::F32).unwrap();
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// Every file under a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

/// A file cut at 20 places.
pub(crate) fn cut(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..20).map(|n| bytes[..bytes.len() * n / 20].to_vec())
}

/// A file with bytes changed at random, as often as `count` says. Half of the changes are near the
/// beginning, where the headers are.
pub(crate) fn changed(bytes: &[u8], count: u64, seed: u64) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..count).map(move |n| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1_000_003) + n);
        let mut other = bytes.to_vec();
        for _ in 0..rng.random_range(1..=4) {
            let end = if rng.random() {
                bytes.len()
            } else {
                bytes.len().min(512)
            };
            if end > 0 {
                other[rng.random_range(0..end)] = rng.random();
            }
        }
        other
    })
}

/// JSON with each of its first values, in turn, replaced by what does not belong there. Not JSON, or JSON
/// a line: the first line.
pub(crate) fn mistyped(bytes: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    let (value, rest) = match serde_json::from_str::<Value>(&text) {
        Ok(value) => (value, ""),
        Err(_) => {
            let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
            match serde_json::from_str(first) {
                Ok(value) => (value, rest),
                Err(_) => return Vec::new(),
            }
        }
    };
    let mut places = Vec::new();
    pointers(&value, String::new(), &mut places);
    places.truncate(40);
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let others = [
        json!(null),
        json!(-1),
        json!(0),
        json!(1e300),
        json!(u64::MAX),
        json!("../../../etc/passwd"),
        json!("x".repeat(5000)),
        json!([]),
        json!({}),
        deep,
    ];
    let mut made = vec!["[".repeat(200_000).into_bytes()];
    made.push(format!("{}1", "{\"a\":".repeat(200_000)).into_bytes());
    for place in &places {
        for other in &others {
            let mut value = value.clone();
            *value.pointer_mut(place).unwrap() = other.clone();
            made.push(format!("{value}\n{rest}").into_bytes());
        }
    }
    made
}

fn pointers(value: &Value, at: String, into: &mut Vec<String>) {
    if into.len() > 200 {
        return;
    }
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(inner, format!("{at}/{key}"), into);
            }
        }
        Value::Array(items) => {
            for (n, inner) in items.iter().enumerate() {
                pointers(inner, format!("{at}/{n}"), into);
            }
        }
        _ => {}
    }
    into.push(at);
}
