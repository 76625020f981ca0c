//! Fetches an encoder from the hub into the cache.

use std::fs;
use std::path::{Path, PathBuf};

use hf_hub::Cache;
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};

use super::hub::{HubEnv, failed, is_complete};
use crate::error::{Error, Result};
use crate::watch::{Unit, Watch};

/// What is downloaded; of each line the first file that the model has.
const NEEDED: [&[&str]; 3] = [
    &["config.json"],
    &["tokenizer.json", "vocab.txt"],
    &["model.safetensors", "pytorch_model.bin"],
];

/// What is downloaded where the model has it.
const WELCOME: [&str; 3] = [
    "tokenizer_config.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
];

/// The folder of the model `id` in the cache, all its files downloaded.
pub(super) fn download(env: &HubEnv, id: &str, watch: &mut dyn Watch) -> Result<PathBuf> {
    // hf-hub links files by relative paths, for which it must know the whole path.
    let cache = std::path::absolute(&env.cache)
        .map_err(|source| failed(env, id, &format!("no place for the cache: {source}")))?;
    let mut builder = ApiBuilder::from_cache(Cache::new(cache))
        .with_endpoint(env.endpoint.clone())
        .with_user_agent("homer", env!("CARGO_PKG_VERSION"));
    if let Some(token) = &env.token {
        builder = builder.with_token(Some(token.clone()));
    }
    let repo = builder
        .build()
        .map_err(|source| failed(env, id, &source.to_string()))?
        .model(id.to_owned());

    // What can be missing comes first, and the weights last: when they are there, all is.
    let mut folder = PathBuf::new();
    for name in WELCOME {
        watch.go_on()?;
        fetch(&repo, name, watch).map_err(|why| why.tell(env, id, name))?;
    }
    for names in NEEDED {
        watch.go_on()?;
        let mut found = None;
        for name in names {
            found = fetch(&repo, name, watch).map_err(|why| why.tell(env, id, name))?;
            if found.is_some() {
                break;
            }
        }
        let Some(path) = found else {
            let names = names.join(" and no ");
            return Err(failed(
                env,
                id,
                &format!("it has no {names} there, or there is no such model"),
            ));
        };
        folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    }
    if !is_complete(&folder) {
        return Err(failed(env, id, "it changed during the download; try again"));
    }
    Ok(folder)
}

/// Why a file could not be had.
enum Fetch {
    Api(ApiError),
    Length { is: u64, should: u64 },
}

impl Fetch {
    fn tell(self, env: &HubEnv, id: &str, name: &str) -> Error {
        let why = match self {
            Self::Api(ApiError::RequestError(source)) => match *source {
                ureq::Error::StatusCode(status @ (401 | 403)) => format!(
                    "http status: {status}; there is no such model, or it is private and HF_TOKEN does not open it"
                ),
                source => source.to_string(),
            },
            Self::Api(source) => source.to_string(),
            Self::Length { is, should } => {
                format!("{is} bytes came instead of {should}; try again")
            }
        };
        failed(env, id, &format!("{name}: {why}"))
    }
}

/// Downloads a file into the cache; `None` when the model has none of that name.
fn fetch(
    repo: &ApiRepo,
    name: &str,
    watch: &mut dyn Watch,
) -> std::result::Result<Option<PathBuf>, Fetch> {
    let mut total = 0;
    let report = Told {
        file: name,
        done: 0,
        total: &mut total,
        watch,
    };
    let path = match repo.download_with_progress(name, report) {
        Ok(path) => path,
        Err(ApiError::RequestError(source)) if matches!(*source, ureq::Error::StatusCode(404)) => {
            return Ok(None);
        }
        Err(source) => return Err(Fetch::Api(source)),
    };
    // hf-hub takes what came for the whole file; a connection that ended early must not.
    let is = fs::metadata(&path).map_or(0, |file| file.len());
    if is == total {
        return Ok(Some(path));
    }
    if let Ok(blob) = fs::canonicalize(&path) {
        let _ = fs::remove_file(blob);
    }
    let _ = fs::remove_file(&path);
    Err(Fetch::Length { is, should: total })
}

/// hf-hub's progress, told on.
struct Told<'a> {
    file: &'a str,
    done: u64,
    total: &'a mut u64,
    watch: &'a mut dyn Watch,
}

impl hf_hub::api::Progress for Told<'_> {
    fn init(&mut self, size: usize, _: &str) {
        self.done = 0;
        *self.total = size as u64;
        let what = format!("downloading {}", self.file);
        self.watch.stage(&what, *self.total, Unit::Bytes);
    }

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        self.watch.advance(self.done);
    }

    fn finish(&mut self) {}
}
