//! Which script is meant when none is named.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use super::Project;
use crate::builtin::{self, SAMPLE_SCRIPT};
use crate::corpus::document::data;
use crate::corpus::inputs::is_script;
use crate::error::{IoContext, Remedy, Result, Setting};
use crate::files;

/// The one script that the user put into `data/`, else the sample script, which is put there
/// from what comes with homer.
///
/// # Errors
/// There are several of the user's: then they are listed; or the sample script cannot be written.
pub fn default_input(project: &Project) -> Result<PathBuf> {
    let folder = project.data();
    let mut scripts: Vec<PathBuf> = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(&folder).at("read", &folder)? {
            let path = entry.at("read", &folder)?.path();
            if is_script(&path) && path.is_file() {
                scripts.push(path);
            }
        }
    }
    scripts.sort();
    let sample = folder.join(SAMPLE_SCRIPT);
    let own: Vec<&PathBuf> = scripts.iter().filter(|path| **path != sample).collect();
    match own.as_slice() {
        [script] => Ok((*script).clone()),
        [] if sample.is_file() => Ok(sample),
        [] => {
            files::write_atomic(&sample, |out| {
                out.write_all(builtin::sample_script()).at("write", &sample)
            })?;
            Ok(sample)
        }
        [first, ..] => {
            let several = &own;
            let names: Vec<String> = several
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            Err(data(
                &folder,
                None,
                format!("there are several scripts here: {}", names.join(", ")),
                Remedy::choose_like(Setting::Script, first.display().to_string()).or(format!(
                    "name the folder, {}, to take them all as one script",
                    folder.display()
                )),
            ))
        }
    }
}
