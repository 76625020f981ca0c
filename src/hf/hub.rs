//! From what `--encoder` says to a folder: a local one, the hub's cache, or a download into it.

use std::fs;
use std::path::{Path, PathBuf};

use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo};

use super::checkpoint::weights_file;
use crate::builtin;
use crate::builtin::Builtin;
use crate::error::{Error, Remedy, Result, Setting};
use crate::watch::{Unit, Watch};

/// What the environment says about the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubEnv {
    /// Where downloads are kept, laid out as Hugging Face's libraries do.
    pub cache: PathBuf,
    /// Where downloads come from.
    pub endpoint: String,
    /// Opens private models; without it, the one that `hf auth login` left beside the cache.
    pub token: Option<String>,
    /// Whether nothing may be downloaded.
    pub offline: bool,
}

impl HubEnv {
    /// Reads `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, `HF_ENDPOINT`, `HF_TOKEN` and
    /// `HF_HUB_OFFLINE`.
    pub fn from_process() -> Self {
        let home = std::env::home_dir().unwrap_or_default();
        Self::from_variables(&home, |name| std::env::var(name).ok())
    }

    /// The same from a home folder and a lookup of variables; an empty one counts as unset.
    pub fn from_variables(home: &Path, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.trim().is_empty());
        let folder = |name| set(name).map(PathBuf::from);
        let cache = folder("HF_HUB_CACHE").unwrap_or_else(|| {
            let home = folder("HF_HOME").unwrap_or_else(|| {
                folder("XDG_CACHE_HOME")
                    .unwrap_or_else(|| home.join(".cache"))
                    .join("huggingface")
            });
            home.join("hub")
        });
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        let offline = set("HF_HUB_OFFLINE").unwrap_or_default().to_lowercase();
        Self {
            cache,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: set("HF_TOKEN"),
            offline: matches!(offline.as_str(), "1" | "true" | "yes" | "on"),
        }
    }
}

/// The folder that `encoder` names: the built-in one, a local folder, else a model of the hub, from
/// its cache or downloaded into it.
///
/// # Errors
/// What looks like a path is not a model folder, or the model is not in the cache and cannot be
/// downloaded; the error says what was tried and how to go on without the internet.
pub fn resolve(encoder: &str, watch: &mut dyn Watch) -> Result<PathBuf> {
    if encoder == builtin::ENCODER {
        return Builtin::find().encoder().ok_or_else(|| Error::Hub {
            what: "the built-in encoder is neither beside the program nor beside its sources"
                .into(),
            remedy: Remedy::choose_like(Setting::Encoder, "distilbert-base-uncased"),
        });
    }
    resolve_in(&HubEnv::from_process(), encoder, watch)
}

/// The folder that `encoder` names, if nothing has to be downloaded for it.
pub fn local(encoder: &str) -> Option<PathBuf> {
    if encoder == builtin::ENCODER {
        return Builtin::find().encoder();
    }
    let env = HubEnv {
        offline: true,
        ..HubEnv::from_process()
    };
    resolve_in(&env, encoder, &mut ()).ok()
}

/// [`resolve`] in a given environment.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_in(env: &HubEnv, encoder: &str, watch: &mut dyn Watch) -> Result<PathBuf> {
    let path = Path::new(encoder);
    if path.join("config.json").exists() {
        return Ok(path.to_path_buf());
    }
    let problem = if path.is_dir() {
        Some("no config.json in it: this is not an encoder's folder")
    } else if path.is_file() {
        Some("a file; name the folder that it is in")
    } else if is_path(encoder) {
        Some("there is no such folder")
    } else if !is_hub_id(encoder) {
        Some("neither a folder nor the name of a model on the hub, such as distilbert-base-uncased")
    } else {
        None
    };
    if let Some(what) = problem {
        return Err(Error::model(path, what, Remedy::None));
    }
    if let Some(folder) = cached(env, encoder) {
        return Ok(folder);
    }
    if env.offline {
        return Err(failed(
            env,
            encoder,
            "it is not in the cache with all its files, and HF_HUB_OFFLINE is set",
        ));
    }
    download(env, encoder, watch)
}

/// Whether it was meant as a path: it begins like one, or the folder that it would be in exists.
fn is_path(encoder: &str) -> bool {
    let path = Path::new(encoder);
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    path.is_absolute() || encoder.starts_with(['.', '~', '/']) || parent.is_some_and(Path::is_dir)
}

/// Whether it is `name` or `organisation/name` in the hub's letters.
fn is_hub_id(encoder: &str) -> bool {
    let part = |part: &str| {
        let letter = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && !part.starts_with(['-', '.']) && part.chars().all(letter)
    };
    encoder.split('/').count() <= 2 && encoder.split('/').all(part)
}

/// The model's folder in the cache, as far as the current revision is there completely.
fn cached(env: &HubEnv, id: &str) -> Option<PathBuf> {
    let model = cache_folder(env, id);
    let revision = fs::read_to_string(model.join("refs").join("main")).ok()?;
    let folder = model.join("snapshots").join(revision.trim());
    is_complete(&folder).then_some(folder)
}

fn cache_folder(env: &HubEnv, id: &str) -> PathBuf {
    env.cache.join(Repo::model(id.to_owned()).folder_name())
}

fn is_complete(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).exists();
    has("config.json")
        && weights_file(folder).is_some()
        && (has("tokenizer.json") || has("vocab.txt"))
}

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

fn download(env: &HubEnv, id: &str, watch: &mut dyn Watch) -> Result<PathBuf> {
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

/// What was tried, why it failed, and how to go on.
fn failed(env: &HubEnv, id: &str, why: &str) -> Error {
    let tried = if env.offline {
        String::new()
    } else {
        format!("\n  tried: {}/{id}", env.endpoint)
    };
    Error::Hub {
        what: format!(
            "cannot get the encoder {id}: {why}{tried}\n  cache: {}",
            cache_folder(env, id).display(),
        ),
        remedy: Remedy::from(
            "to go on without the internet, copy the encoder's folder (config.json, tokenizer.json, \
             model.safetensors) from another machine",
        )
        .and(Remedy::choose_like(Setting::Encoder, "path/to/folder")),
    }
}
