//! What comes with homer, and where it lies: a small encoder, a persona, a sample script.
//!
//! They are ordinary files, and the commands read them as they read a user's own.

use std::env;
use std::path::{Path, PathBuf};

/// What `--encoder` calls the encoder that comes with homer.
pub const ENCODER: &str = "built-in";
/// The script that comes with homer.
pub const SAMPLE_SCRIPT: &str = "sample_script.csv";

/// The folders that homer's own things may lie in; the first that has one counts.
#[derive(Debug, Clone)]
pub struct Builtin {
    folders: Vec<PathBuf>,
}

impl Builtin {
    /// Those of this program: `data/` beside it or up to two folders above (where a clone or a
    /// package was moved to), then where its sources were.
    pub fn find() -> Self {
        let program = env::current_exe().unwrap_or_default();
        let above = program.ancestors().skip(1).take(3);
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self::at(above.chain([sources]).map(|folder| folder.join("data")))
    }

    /// Other folders.
    pub fn at(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            folders: folders.into_iter().collect(),
        }
    }

    /// The last place that is looked at.
    pub fn sources(&self) -> &Path {
        self.folders
            .last()
            .map_or(Path::new("data"), PathBuf::as_path)
    }

    /// The model folder of the small encoder.
    pub fn encoder(&self) -> Option<PathBuf> {
        self.first("encoder", |folder| folder.join("config.json").is_file())
    }

    /// The model folder of the general reranker, with its weights.
    pub fn reranker(&self) -> Option<PathBuf> {
        self.first("reranker", |folder| folder.join("config.json").is_file())
    }

    /// The folder of the persona, laid out as a project.
    pub fn persona(&self) -> Option<PathBuf> {
        self.first("persona", |folder| folder.join("runs").is_dir())
    }

    /// The sample script.
    pub fn sample_script(&self) -> Option<PathBuf> {
        self.first(SAMPLE_SCRIPT, Path::is_file)
    }

    /// The first file or folder of that name that is what is meant.
    fn first(&self, name: &str, is_it: impl Fn(&Path) -> bool) -> Option<PathBuf> {
        let mut candidates = self.folders.iter().map(|folder| folder.join(name));
        candidates.find(|path| is_it(path))
    }
}
