//! `GET /v1/models`: the personas.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::now;
use crate::serve::App;
use crate::serve::fault::Fault;
use crate::serve::host::Host;

/// A persona as a model.
#[derive(Serialize)]
pub(crate) struct Model {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    /// Who speaks.
    character: String,
    /// Whether it is the one that comes with homer.
    built_in: bool,
}

/// All of them.
#[derive(Serialize)]
pub(crate) struct List {
    object: &'static str,
    data: Vec<Model>,
}

impl From<&Host> for Model {
    fn from(host: &Host) -> Self {
        let persona = host.persona();
        Self {
            id: host.name().to_owned(),
            object: "model",
            created: now(),
            owned_by: "homer",
            character: persona.character.clone(),
            built_in: persona.built_in,
        }
    }
}

/// The list.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<List> {
    Json(List {
        object: "list",
        data: app.hosts.iter().map(Model::from).collect(),
    })
}

/// One of them.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Model>, Fault> {
    Ok(Json(app.host(Some(&name))?.into()))
}
