//! From what `--encoder` says to a folder: a local one, the hub's cache, or a download into it.
//!
//! The cache is laid out as Hugging Face's own libraries lay it out, who read what homer downloads, and
//! the other way round: `models--NAME/refs/main` names a revision, `snapshots/REVISION/` has a link for
//! each file, and `blobs/` the contents, called after their digests.

#[cfg(feature = "hub")]
mod announced;
#[cfg(feature = "hub")]
mod blob;
#[cfg(feature = "hub")]
mod download;
#[cfg(feature = "hub")]
mod request;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::checkpoint::weights_file;
use crate::builtin;
use crate::error::{Error, Remedy, Result, Setting};
use crate::folder::Folder;
use crate::watch::Watch;

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
    /// How long a server may say nothing.
    pub timeout: Duration,
}

/// How long a server may say nothing, unless `HF_HUB_DOWNLOAD_TIMEOUT` says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

impl HubEnv {
    /// Reads `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE`
    /// and `HF_HUB_DOWNLOAD_TIMEOUT` (seconds).
    pub(crate) fn from_process() -> Self {
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
        let seconds = set("HF_HUB_DOWNLOAD_TIMEOUT").and_then(|text| text.trim().parse().ok());
        Self {
            cache,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: set("HF_TOKEN"),
            offline: matches!(offline.as_str(), "1" | "true" | "yes" | "on"),
            timeout: seconds
                .filter(|&seconds| seconds > 0)
                .map_or(TIMEOUT, Duration::from_secs),
        }
    }

    /// The token, from the environment or from beside the cache.
    #[cfg(feature = "hub")]
    fn token(&self) -> Option<String> {
        let kept = || fs::read_to_string(self.cache.parent()?.join("token")).ok();
        let token = self.token.clone().or_else(kept)?;
        let token = token.trim();
        (!token.is_empty()).then(|| token.to_owned())
    }
}

/// The folder that `encoder` names: the built-in one, a local folder, else a model of the hub, from
/// its cache or downloaded into it.
///
/// # Errors
/// What looks like a path is not a model folder, or the model is not in the cache and cannot be
/// downloaded; the error says what was tried and how to go on without the internet.
pub(crate) fn resolve(encoder: &str, watch: &mut dyn Watch) -> Result<Folder> {
    if encoder == builtin::ENCODER {
        return Ok(builtin::encoder());
    }
    resolve_in(&HubEnv::from_process(), encoder, watch).map(Folder::from)
}

/// The folder that `encoder` names, if nothing has to be downloaded for it.
pub(crate) fn local(encoder: &str) -> Option<Folder> {
    if encoder == builtin::ENCODER {
        return Some(builtin::encoder());
    }
    let env = HubEnv {
        offline: true,
        ..HubEnv::from_process()
    };
    let found = resolve_in(&env, encoder, &mut ());
    found.ok().map(Folder::from)
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
    #[cfg(feature = "hub")]
    return download::download(env, encoder, watch);
    #[cfg(not(feature = "hub"))]
    {
        let _ = watch;
        let what =
            "it is not in the cache with all its files, and this homer was built without the hub";
        Err(failed(env, encoder, what))
    }
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
    let revision = revision.trim();
    let folder = model.join("snapshots").join(revision);
    (is_commit(revision) && is_complete(&folder)).then_some(folder)
}

/// Whether it is a revision: the SHA-1 of a commit, hexadecimal. It becomes a folder's name.
fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn cache_folder(env: &HubEnv, id: &str) -> PathBuf {
    env.cache.join(cache_name(id))
}

fn cache_name(id: &str) -> String {
    format!("models--{}", id.replace('/', "--"))
}

fn is_complete(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).exists();
    has("config.json")
        && weights_file(folder).is_some()
        && (has("tokenizer.json") || has("vocab.txt"))
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
