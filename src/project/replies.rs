//! Where the replies of a project's persona are: in its own index, or in a store, as somebody says or as
//! `build-index` left it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Project;
use crate::chat::retrieve::Retrieve;
use crate::chat::stages::Indexed;
use crate::error::{Error, IoContext, Remedy, Result};
use crate::files::{self, disk::remove_file};
use crate::folder::Folder;
use crate::index::Index;
use crate::index::manifest::Provenance;
use crate::model::bi_encoder::BiEncoder;
use crate::store::{Loader, Owner, Place, Stored};
use crate::watch::Watch;

/// Which store the replies were put into.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Setting {
    /// Its URL, without a password.
    store: String,
    /// What the persona is called there.
    persona: String,
    /// Tells this project from others that put theirs there.
    owner: String,
}

/// Where the replies are.
pub(super) struct Whereabouts {
    place: Place,
    called: Option<String>,
    setting: Option<Setting>,
    /// The file that says so, where nobody else does.
    said_by: Option<PathBuf>,
}

impl Project {
    /// Where the replies are: where somebody said, else where they were put last, else here.
    ///
    /// # Errors
    /// What was kept of that is damaged, or of no use in this build.
    pub(super) fn replies(&self) -> Result<Whereabouts> {
        let path = self.store_setting();
        let setting: Option<Setting> = match files::is_there(&path)? {
            true => Some(files::read_json(&path)?),
            false => None,
        };
        let place = match (&self.place, &setting) {
            (Some(place), _) => place.clone(),
            (None, Some(setting)) => Place::parse(&setting.store)?,
            (None, None) => Place::Local,
        };
        let kept = setting.as_ref().map(|setting| setting.persona.clone());
        Ok(Whereabouts {
            place,
            called: self.called.clone().or(kept),
            said_by: self.place.is_none().then_some(path),
            setting,
        })
    }
}

impl Whereabouts {
    /// The store's URL without the password, if they are in one.
    pub(super) fn store(&self) -> Option<String> {
        self.place.shown().map(str::to_owned)
    }

    /// Opens them; `index` is the project's own.
    ///
    /// # Errors
    /// They are not there, damaged, or cannot be reached.
    pub(super) fn open(&self, index: &Path) -> Result<Replies> {
        self.tell();
        match &self.place {
            Place::Local => Replies::here(index),
            Place::Database(database) => {
                let stored = Stored::open(database, self.called.as_deref())?;
                Ok(Replies::There(stored, database.shown().to_owned()))
            }
        }
    }

    /// Makes sure that replies of `character` can be put there.
    ///
    /// # Errors
    /// The store cannot be reached or used; another project has put a persona of that name there, and it is not
    /// to be taken over.
    pub(super) fn keep(self, character: &str, take_over: bool) -> Result<Kept> {
        self.tell();
        let Place::Database(database) = &self.place else {
            return Ok(Kept::Here);
        };
        let character = match character {
            "" => "persona",
            character => character,
        };
        let fresh = || format!("{:032x}", rand::random::<u128>());
        let setting = Setting {
            store: database.shown().to_owned(),
            persona: self.called.unwrap_or_else(|| character.to_owned()),
            owner: self.setting.map_or_else(fresh, |setting| setting.owner),
        };
        let owner = Owner {
            name: setting.persona.clone(),
            id: setting.owner.clone(),
            take_over,
        };
        let loader = Loader::begin(database, owner)?;
        Ok(Kept::There(Box::new(loader), setting))
    }

    /// Says it where the folder alone names a store: whoever has made it may have, and what is asked is about to
    /// leave this machine.
    fn tell(&self) {
        if let (Some(store), Some(path)) = (self.place.shown(), &self.said_by) {
            tracing::warn!("the replies are in {store}, as {} says", path.display());
        }
    }
}

/// Where a new index is to go.
pub(super) enum Kept {
    /// It stays where it is.
    Here,
    /// Into a store.
    There(Box<Loader>, Setting),
}

impl Kept {
    /// Puts the project's index there, and remembers where it is.
    ///
    /// # Errors
    /// As [`Loader::load`]; a file cannot be written.
    pub(super) fn put(self, project: &Project, watch: &mut dyn Watch) -> Result<()> {
        let path = project.store_setting();
        match self {
            Self::Here => match files::is_there(&path)? {
                true => remove_file(&path).at("remove", &path),
                false => Ok(()),
            },
            Self::There(loader, setting) => {
                files::stays(&path)?;
                loader.load(&Index::open(project.index())?, watch)?;
                files::write_json(&path, &setting)
            }
        }
    }
}

/// A persona's replies, opened.
pub(super) enum Replies {
    /// In a folder.
    Here(Box<Index>),
    /// In a store, with its URL.
    There(Stored, String),
}

impl Replies {
    /// Those of the index in a folder.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub(super) fn here(index: impl Into<Folder>) -> Result<Self> {
        Ok(Self::Here(Box::new(Index::open(index)?)))
    }

    /// What they were made of.
    pub(super) fn source(&self) -> Provenance {
        match self {
            Self::Here(index) => index.manifest().source.clone(),
            Self::There(stored, _) => stored.source(),
        }
    }

    /// What they cannot be used for.
    pub(super) fn refused(&self, what: String, remedy: Remedy) -> Error {
        match self {
            Self::Here(index) => Error::model(index.folder().to_path_buf(), what, remedy),
            Self::There(_, place) => Error::Store {
                place: place.clone(),
                what,
                remedy,
            },
        }
    }

    /// What finds them by the vectors of `encoder`.
    pub(super) fn retriever(self, encoder: BiEncoder) -> Box<dyn Retrieve> {
        match self {
            Self::Here(index) => Box::new(Indexed {
                encoder,
                replies: *index,
            }),
            Self::There(replies, _) => Box::new(Indexed { encoder, replies }),
        }
    }
}
