//! `--encoder`: local folders, the hub's cache, and downloads from a hub on this machine.

mod lies;
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use homer::internals::{
    Checkpoint, Config, Family, HubEnv, Tokenizer, resolve_in, tiny_encoder_folder,
};
use homer::{Error, Unit, Watch};

use server::{COMMIT, Hub};

fn model() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    tiny_encoder_folder(folder.path(), Family::DistilBert, &["hello"], 5).unwrap();
    folder
}

fn env(cache: &Path, endpoint: &str) -> HubEnv {
    HubEnv {
        cache: cache.to_path_buf(),
        endpoint: endpoint.to_owned(),
        token: None,
        offline: false,
        timeout: Duration::from_secs(120),
    }
}

fn resolve(env: &HubEnv, encoder: &str) -> Result<PathBuf, String> {
    resolve_in(env, encoder, &mut ()).map_err(|error| format!("{error}\n{}", error.remedy()))
}

/// An endpoint where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn assert_usable(folder: &Path) {
    let config = Config::read(folder).unwrap();
    Checkpoint::open(folder).unwrap().encoder(&config).unwrap();
    Tokenizer::load(folder).unwrap();
}

#[test]
fn a_local_folder_comes_first() {
    let (model, cache) = (model(), tempfile::tempdir().unwrap());
    let env = env(cache.path(), &nobody());
    let path = model.path().to_str().unwrap();
    assert_eq!(resolve(&env, path).unwrap(), model.path());
}

#[test]
fn what_looks_like_a_path_is_never_looked_for_on_the_hub() {
    let (model, cache) = (model(), tempfile::tempdir().unwrap());
    let env = env(cache.path(), &nobody());
    let missing = model.path().join("no-such");
    let error = resolve(&env, missing.to_str().unwrap()).unwrap_err();
    assert!(
        error.contains("no-such: there is no such folder"),
        "{error}"
    );
    for path in ["./no-such", "../no-such", "~/no-such", "tests/no-such"] {
        let error = resolve(&env, path).unwrap_err();
        assert!(error.contains("there is no such folder"), "{error}");
    }
    let empty = tempfile::tempdir().unwrap();
    let error = resolve(&env, empty.path().to_str().unwrap()).unwrap_err();
    assert!(error.contains("no config.json in it"), "{error}");
    let file = model.path().join("model.safetensors");
    let error = resolve(&env, file.to_str().unwrap()).unwrap_err();
    assert!(error.contains("name the folder"), "{error}");
    for name in ["", "two words", "a/b/c", "org/../../etc", "what?"] {
        let error = resolve(&env, name).unwrap_err();
        assert!(error.contains("neither a folder nor"), "{error}");
    }
}

#[test]
fn a_cache_laid_out_like_the_hubs_needs_no_network() {
    let (model, cache) = (model(), tempfile::tempdir().unwrap());
    let folder = cache.path().join("models--org--tiny");
    let snapshot = folder.join("snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(folder.join("refs")).unwrap();
    fs::write(folder.join("refs/main"), COMMIT).unwrap();
    let mut env = env(cache.path(), &nobody());
    env.offline = true;
    for name in ["config.json", "vocab.txt", "model.safetensors"] {
        let error = resolve(&env, "org/tiny").unwrap_err();
        assert!(error.contains("HF_HUB_OFFLINE"), "{error}");
        fs::copy(model.path().join(name), snapshot.join(name)).unwrap();
    }
    assert_eq!(resolve(&env, "org/tiny").unwrap(), snapshot);
    env.offline = false;
    assert_eq!(resolve(&env, "org/tiny").unwrap(), snapshot);
}

/// How far each stage came, of what.
#[derive(Default)]
struct Ear(BTreeMap<String, (u64, u64)>, String);

impl Watch for Ear {
    fn stage(&mut self, what: &str, total: u64, unit: Unit) {
        assert_eq!(unit, Unit::Bytes);
        self.0.insert(what.to_owned(), (0, total));
        self.1 = what.to_owned();
    }

    fn advance(&mut self, done: u64) {
        self.0.get_mut(&self.1).unwrap().0 = done;
    }
}

#[test]
fn a_download_that_is_to_stop_fetches_nothing() {
    struct Stop;
    impl Watch for Stop {
        fn stop(&self) -> bool {
            true
        }
    }
    let (model, cache) = (model(), tempfile::tempdir().unwrap());
    let hub = Hub::of(model.path());
    let stopped = resolve_in(&env(cache.path(), &hub.endpoint), "org/tiny", &mut Stop);
    assert!(matches!(stopped, Err(Error::Interrupted { saved: false })));
    assert!(hub.requests().is_empty());
}

#[test]
fn a_download_is_told_and_kept() {
    let (model, cache) = (model(), tempfile::tempdir().unwrap());
    fs::create_dir(model.path().join("1_Pooling")).unwrap();
    fs::write(model.path().join("1_Pooling/config.json"), "{}").unwrap();
    let hub = Hub::of(model.path());
    let env = env(cache.path(), &hub.endpoint);
    let mut ear = Ear::default();
    let folder = resolve_in(&env, "org/tiny", &mut ear).unwrap();
    assert_usable(&folder);
    assert!(folder.starts_with(cache.path().join("models--org--tiny/snapshots")));
    let length = fs::metadata(model.path().join("model.safetensors"))
        .unwrap()
        .len();
    assert_eq!(ear.0["downloading model.safetensors"], (length, length));
    for name in [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "1_Pooling/config.json",
    ] {
        assert_eq!(
            fs::read(folder.join(name)).unwrap(),
            fs::read(model.path().join(name)).unwrap()
        );
    }
    let before = hub.requests().len();
    assert_eq!(resolve(&env, "org/tiny").unwrap(), folder);
    assert_eq!(
        hub.requests().len(),
        before,
        "the second time asks the cache alone"
    );
}

#[test]
fn older_files_do_where_the_newer_are_missing() {
    let (model, cache) = (model(), tempfile::tempdir().unwrap());
    fs::remove_file(model.path().join("tokenizer.json")).unwrap();
    let hub = Hub::of(model.path());
    let folder = resolve(&env(cache.path(), &hub.endpoint), "org/tiny").unwrap();
    assert!(folder.join("vocab.txt").exists());
    assert_usable(&folder);
}

#[test]
fn a_model_that_is_not_there() {
    let (model, cache) = (model(), tempfile::tempdir().unwrap());
    let hub = Hub::of(model.path());
    let env = env(cache.path(), &hub.endpoint);
    let error = resolve(&env, "org/huge").unwrap_err();
    assert!(
        error.contains("it has no config.json there, or there is no such model"),
        "{error}"
    );
    assert!(
        error.contains(&format!("{}/org/huge", hub.endpoint)),
        "{error}"
    );
    assert!(error.contains("models--org--huge"), "{error}");
    assert!(error.contains("path/to/folder"), "{error}");

    fs::remove_file(model.path().join("model.safetensors")).unwrap();
    let hub = Hub::of(model.path());
    let error = resolve(&self::env(cache.path(), &hub.endpoint), "org/tiny").unwrap_err();
    assert!(
        error.contains("no model.safetensors and no pytorch_model.bin"),
        "{error}"
    );
}

#[test]
fn nobody_answers() {
    let cache = tempfile::tempdir().unwrap();
    let env = env(cache.path(), &nobody());
    let error = resolve(&env, "org/tiny").unwrap_err();
    assert!(error.contains("refused"), "{error}");
    assert!(error.contains(&env.endpoint), "{error}");
    assert!(error.contains("path/to/folder"), "{error}");
}

#[test]
fn offline_asks_nobody() {
    let (model, cache) = (model(), tempfile::tempdir().unwrap());
    let hub = Hub::of(model.path());
    let mut env = env(cache.path(), &hub.endpoint);
    env.offline = true;
    let error = resolve(&env, "org/tiny").unwrap_err();
    assert!(error.contains("HF_HUB_OFFLINE is set"), "{error}");
    assert!(error.contains("models--org--tiny"), "{error}");
    assert!(hub.requests().is_empty());
}

#[test]
fn the_environment_decides() {
    let of = |pairs: &[(&str, &str)]| {
        let pairs: BTreeMap<String, String> = pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        HubEnv::from_variables(Path::new("/home/ned"), move |name| pairs.get(name).cloned())
    };
    let plain = of(&[]);
    assert_eq!(plain.cache, Path::new("/home/ned/.cache/huggingface/hub"));
    assert_eq!(plain.endpoint, "https://huggingface.co");
    assert!(!plain.offline);
    assert_eq!(plain.timeout, Duration::from_secs(30));
    for (value, seconds) in [("7", 7), ("0", 30), ("soon", 30), ("", 30)] {
        let patient = of(&[("HF_HUB_DOWNLOAD_TIMEOUT", value)]);
        assert_eq!(patient.timeout, Duration::from_secs(seconds), "{value}");
    }
    assert_eq!(of(&[("HF_HOME", "/hf")]).cache, Path::new("/hf/hub"));
    let both = of(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/cache")]);
    assert_eq!(both.cache, Path::new("/cache"));
    let xdg = of(&[("XDG_CACHE_HOME", "/xdg")]);
    assert_eq!(xdg.cache, Path::new("/xdg/huggingface/hub"));
    let mirror = of(&[("HF_ENDPOINT", "https://mirror.example/")]);
    assert_eq!(mirror.endpoint, "https://mirror.example");
    for (value, offline) in [
        ("1", true),
        ("TRUE", true),
        ("yes", true),
        ("On", true),
        ("0", false),
        ("", false),
    ] {
        assert_eq!(of(&[("HF_HUB_OFFLINE", value)]).offline, offline, "{value}");
    }
}
