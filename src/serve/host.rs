//! A persona under the name that clients call it by, taken anew when it was built anew.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use crate::chat::Persona;
use crate::error::Result;
use crate::project::Project;

/// A persona that is served.
pub struct Host {
    name: String,
    project: Project,
    load: Box<dyn Fn() -> Result<Persona> + Send + Sync>,
    current: RwLock<Arc<Persona>>,
    seen: Mutex<Seen>,
}

/// When each of the watched files was last written, and how long it is, as far as it is there.
type Seen = Vec<Option<(SystemTime, u64)>>;

impl Host {
    /// Serves `persona` under `name`; `load` is asked for another when what training and
    /// `build-index` wrote in `project` changes. Feedback is kept in that project.
    pub fn new(
        name: impl Into<String>,
        project: Project,
        persona: Persona,
        load: impl Fn() -> Result<Persona> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            seen: Mutex::new(look(&project)),
            project,
            load: Box::new(load),
            current: RwLock::new(Arc::new(persona)),
        }
    }

    /// What clients call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The persona as it is now. Who holds it keeps it, whatever is built meanwhile.
    pub fn persona(&self) -> Arc<Persona> {
        let current = self.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// Where feedback about its answers is kept.
    pub(crate) fn feedback(&self) -> PathBuf {
        self.project.feedback()
    }

    /// Loads the persona anew if its files, or its replies in a store, changed since they were last looked at;
    /// whether it did.
    ///
    /// # Errors
    /// It cannot be loaded, as is so between `train-bi` and `build-index`: the old one stays, and
    /// there is no other try before something changes again.
    pub(crate) fn refresh(&self) -> Result<bool> {
        let renewed = self.persona().is_renewed();
        let now = look(&self.project);
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == now && !renewed {
                return Ok(false);
            }
            *seen = now;
        }
        let persona = Arc::new((self.load)()?);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = persona;
        Ok(true)
    }
}

/// The files that tell of a new persona: the index and the models' weights and verdict.
fn look(project: &Project) -> Seen {
    let files = [
        project.index().join("manifest.json"),
        project.store_setting(),
        project.bi_encoder_model().join("model.safetensors"),
        project.cross_encoder_model().join("model.safetensors"),
        project.cross_encoder().join("reranking.json"),
    ];
    let stamp = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(stamp).collect()
}
