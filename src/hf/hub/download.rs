//! Fetches an encoder from the hub into the cache: what is to be had is asked first, then fetched, and
//! only when all of it is there and as announced does the cache speak of it.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::announced::Announced;
use super::blob::{self, Failed};
use super::request::Client;
use super::{HubEnv, cache_folder, cache_name, failed, is_complete};
use crate::error::{Error, IoContext, Result};
use crate::files;
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

/// No weights of the families that homer reads are larger, in bytes.
const LARGEST_WEIGHTS: u64 = 16 << 30;
/// Nor is any other file.
const LARGEST: u64 = 64 << 20;

/// Between two looks at a lock that another process holds.
const PAUSE: Duration = Duration::from_millis(100);

/// The folder of the model `id` in the cache, all its files downloaded.
pub(super) fn download(env: &HubEnv, id: &str, watch: &mut dyn Watch) -> Result<PathBuf> {
    let hub = Hub {
        client: Client::new(env).map_err(|why| failed(env, id, &why))?,
        folder: cache_folder(env, id),
        env,
        id,
    };
    let files = hub.plan(watch)?;
    let _lock = hub.lock(watch)?;
    for file in &files {
        hub.fetch(file, watch)?;
    }
    hub.put(&files)
}

/// A model of a hub, and its folder in the cache.
struct Hub<'a> {
    env: &'a HubEnv,
    id: &'a str,
    client: Client,
    folder: PathBuf,
}

/// A file that the model has.
struct Wanted {
    name: &'static str,
    announced: Announced,
}

impl Hub<'_> {
    /// What is to be had, all of one revision. Nothing is written yet.
    fn plan(&self, watch: &dyn Watch) -> Result<Vec<Wanted>> {
        let mut files: Vec<Wanted> = Vec::new();
        for names in NEEDED {
            let mut found = None;
            for name in names {
                found = self.ask(name, watch)?;
                if found.is_some() {
                    break;
                }
            }
            files.push(found.ok_or_else(|| {
                let names = names.join(" and no ");
                self.failed(&format!(
                    "it has no {names} there, or there is no such model"
                ))
            })?);
        }
        for name in WELCOME {
            files.extend(self.ask(name, watch)?);
        }
        let one = |files: &[Wanted]| {
            let mut commits = files.iter().map(|file| &file.announced.commit);
            let first = commits.next();
            commits.all(|commit| Some(commit) == first)
        };
        if !one(&files) {
            return Err(self.failed("it changed during the download; try again"));
        }
        Ok(files)
    }

    /// What the hub says of a file; `None` when the model has none of that name.
    fn ask(&self, name: &'static str, watch: &dyn Watch) -> Result<Option<Wanted>> {
        watch.go_on()?;
        let announced = self.client.head(&self.url(name));
        let announced = announced.map_err(|why| self.failed_at(name, &why))?;
        let Some(announced) = announced else {
            return Ok(None);
        };
        let largest = match Path::new(name).extension() {
            Some(kind) if kind == "safetensors" || kind == "bin" => LARGEST_WEIGHTS,
            _ => LARGEST,
        };
        if announced.size > largest {
            let why = format!(
                "{} bytes are announced, and no encoder that homer reads has one of more than {largest}",
                announced.size
            );
            return Err(self.failed_at(name, &why));
        }
        Ok(Some(Wanted { name, announced }))
    }

    /// Waits until no other homer downloads this model into this cache.
    fn lock(&self, watch: &mut dyn Watch) -> Result<File> {
        // Where Python's library keeps its locks, under a name that it does not use.
        let folder = self.env.cache.join(".locks").join(cache_name(self.id));
        fs::create_dir_all(&folder).at("create", &folder)?;
        let path = folder.join("homer.lock");
        let file = File::create(&path).at("create", &path)?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(source).at("lock", &path),
                Err(TryLockError::WouldBlock) if !told => {
                    watch.note("waiting: another homer downloads this encoder");
                    told = true;
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            }
            watch.go_on()?;
        }
    }

    /// Makes sure that a file's contents are in the cache, whole.
    fn fetch(&self, file: &Wanted, watch: &mut dyn Watch) -> Result<()> {
        watch.go_on()?;
        let what = format!("downloading {}", file.name);
        watch.stage(&what, file.announced.size, Unit::Bytes);
        let mut tell = |done| {
            watch.advance(done);
            watch.go_on()
        };
        let blob = self.blob(file);
        let fetched = blob::fetch(
            &self.client,
            &self.url(file.name),
            &file.announced,
            &blob,
            &mut tell,
        );
        fetched.map_err(|failed| match failed {
            Failed::Why(why) => self.failed_at(file.name, &why),
            Failed::Error(error) => error,
        })
    }

    /// Lets the cache speak of the files: the revision's folder, and then the revision as the current one.
    fn put(&self, files: &[Wanted]) -> Result<PathBuf> {
        let Some(first) = files.first() else {
            return Err(self.failed("it has no file"));
        };
        let commit = &first.announced.commit;
        let snapshot = self.folder.join("snapshots").join(commit);
        for file in files {
            let pointer = snapshot.join(file.name);
            let parent = pointer.parent().unwrap_or(&snapshot);
            fs::create_dir_all(parent).at("create", parent)?;
            let up = "../".repeat(Path::new(file.name).components().count() + 1);
            let target = format!("{up}blobs/{}", file.announced.etag.name());
            point(&pointer, Path::new(&target), &self.blob(file)).at("write", &pointer)?;
        }
        if !is_complete(&snapshot) {
            return Err(self.failed("it changed during the download; try again"));
        }
        let current = self.folder.join("refs").join("main");
        files::write_atomic(&current, |out| {
            out.write_all(commit.as_bytes()).at("write", &current)
        })?;
        Ok(snapshot)
    }

    fn blob(&self, file: &Wanted) -> PathBuf {
        self.folder.join("blobs").join(file.announced.etag.name())
    }

    fn url(&self, name: &str) -> String {
        format!("{}/{}/resolve/main/{name}", self.env.endpoint, self.id)
    }

    fn failed_at(&self, name: &str, why: &str) -> Error {
        self.failed(&format!("{name}: {why}"))
    }

    fn failed(&self, why: &str) -> Error {
        failed(self.env, self.id, why)
    }
}

/// Makes `pointer` a link to `target`, or, where there are none, a copy of `blob`.
fn point(pointer: &Path, target: &Path, blob: &Path) -> std::io::Result<()> {
    if fs::canonicalize(pointer).is_ok_and(|there| fs::canonicalize(blob).is_ok_and(|b| b == there))
    {
        return Ok(());
    }
    // Made beside its place, as everything is: what was there may be another file, or a dangling link.
    let mut new = pointer.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let _ = fs::remove_file(&new);
    #[cfg(unix)]
    std::os::unix::fs::symlink(target, &new)?;
    #[cfg(not(unix))]
    {
        let _ = target;
        fs::copy(blob, &new)?;
    }
    fs::rename(&new, pointer)
}
