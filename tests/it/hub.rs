//! `--encoder`: local folders, the hub's cache, and downloads from a hub on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use homer::internals::{
    Checkpoint, Config, Family, HubEnv, Tokenizer, resolve_in, tiny_encoder_folder,
};
use homer::{Error, Unit, Watch};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the hub does with a file's contents.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Sends what is asked for.
    Honest,
    /// Announces everything, sends half, hangs up.
    HangsUp,
    /// Sends half and says that this is all.
    Halves,
    /// Says 500.
    Broken,
}

/// A hub that holds one model, `org/tiny`.
struct Hub {
    endpoint: String,
    manner: Arc<Mutex<Manner>>,
    requests: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Hub {
    fn of(folder: &Path) -> Self {
        let files: BTreeMap<String, Vec<u8>> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, fs::read(path).unwrap())
            })
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let manner = Arc::new(Mutex::new(Manner::Honest));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let shared = (manner.clone(), requests.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let (manner, requests, stop) = shared;
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let manner = *manner.lock().unwrap();
                // A client that went away is its own business.
                let _ = answer(stream.unwrap(), &files, manner, &requests);
            }
        });
        Self {
            endpoint,
            manner,
            requests,
            stop,
            thread: Some(thread),
        }
    }

    fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.endpoint.trim_start_matches("http://"));
        let _ = self.thread.take().unwrap().join();
    }
}

fn answer(
    mut stream: TcpStream,
    files: &BTreeMap<String, Vec<u8>>,
    manner: Manner,
    requests: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or(Ok(String::new()))?;
    let mut range = String::new();
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("range: bytes=") {
            range = value.to_owned();
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    requests.lock().unwrap().push(path.clone());
    let file = path.strip_prefix("/org/tiny/resolve/main/");
    let Some((name, body)) = file.and_then(|name| files.get_key_value(name)) else {
        return stream.write_all(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    };
    if manner == Manner::Broken {
        return stream
            .write_all(b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let (from, to) = range.split_once('-').unwrap_or(("0", ""));
    let from: usize = from.parse().unwrap_or(0);
    let to = to.parse().map_or(body.len(), |last: usize| last + 1);
    let mut part = &body[from..to];
    let mut length = part.len();
    if to == body.len() && name == "model.safetensors" {
        if manner != Manner::Honest {
            part = &part[..length / 2];
        }
        if manner == Manner::Halves {
            length = part.len();
        }
    }
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {length}\r\nContent-Range: bytes {from}-{}/{}\r\n\
         ETag: \"{name}-etag\"\r\nX-Repo-Commit: {COMMIT}\r\nConnection: close\r\n\r\n",
        to - 1,
        body.len(),
    )?;
    stream.write_all(part)
}

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
    assert_eq!(hub.requests(), 0);
}

#[test]
fn a_download_is_told_and_kept() {
    let (model, cache) = (model(), tempfile::tempdir().unwrap());
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
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        assert_eq!(
            fs::read(folder.join(name)).unwrap(),
            fs::read(model.path().join(name)).unwrap()
        );
    }
    let before = hub.requests();
    assert_eq!(resolve(&env, "org/tiny").unwrap(), folder);
    assert_eq!(
        hub.requests(),
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
fn nothing_half_is_taken_for_whole() {
    for manner in [Manner::HangsUp, Manner::Halves, Manner::Broken] {
        let (model, cache) = (model(), tempfile::tempdir().unwrap());
        let hub = Hub::of(model.path());
        let mut env = env(cache.path(), &hub.endpoint);
        hub.set(manner);
        let error = resolve(&env, "org/tiny").unwrap_err();
        assert!(error.contains("cannot get the encoder org/tiny"), "{error}");
        env.offline = true;
        resolve(&env, "org/tiny").unwrap_err();
        // The next try goes on and ends well.
        env.offline = false;
        hub.set(Manner::Honest);
        assert_usable(&resolve(&env, "org/tiny").unwrap());
    }
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
    assert_eq!(hub.requests(), 0);
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
