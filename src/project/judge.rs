//! Makes the file that a reader grades: messages, each with what several systems would answer.

use std::path::{Path, PathBuf};
use std::{fs, str};

use super::Project;
use super::pooling::pool;
use crate::chat::Persona;
use crate::dialogue::{Judged, Said};
use crate::error::{Error, IoContext, Result};
use crate::files::{self, Rights};
use crate::nn::device::Compute;
use crate::watch::{Unit, Watch};

/// What is to be judged, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgeSettings {
    /// What people may say to the character, a message a line.
    pub messages: PathBuf,
    /// Where messages, candidates and grades are written; else beside the messages.
    pub out: Option<PathBuf>,
    /// Candidates of a message, of all systems together.
    pub candidates: usize,
    /// Decides their order.
    pub seed: u64,
    /// Whether to compute on a GPU.
    pub gpu: bool,
}

/// Messages with their candidates, and the file that they are kept in.
#[derive(Debug, Clone, PartialEq)]
pub struct Judging {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub judged: Vec<Judged>,
}

/// Puts messages to the systems of the persona that answers in `project` and writes what they would answer, in
/// an order that tells nothing; where that was done before, reads it with the grades that it has.
///
/// # Errors
/// There is no message; the file holds others; as [`Persona::load`]; a model or the index fails, the file
/// cannot be written; [`Error::Interrupted`].
pub fn judge(
    project: &Project,
    settings: &JudgeSettings,
    watch: &mut dyn Watch,
) -> Result<Judging> {
    let messages = messages(&settings.messages)?;
    let beside = || settings.messages.with_extension("judged.jsonl");
    let path = settings.out.clone().unwrap_or_else(beside);
    if path.exists() {
        let judged = resume(&path, &messages)?;
        return Ok(Judging { path, judged });
    }
    let compute = Compute::choose(settings.gpu)?;
    let persona = Persona::find(project, &compute, true)?;
    watch.note(&format!(
        "{} messages to {}",
        messages.len(),
        persona.character
    ));
    watch.stage("messages", messages.len() as u64, Unit::Parts);
    let judged = pool(
        &persona,
        &messages,
        settings.candidates,
        settings.seed,
        watch,
    )?;
    let rights = Rights::of([&settings.messages]).and(project.replies_rights());
    files::write_jsonl(&path, rights, &judged)?;
    Ok(Judging { path, judged })
}

impl Judging {
    /// Writes the file anew.
    ///
    /// # Errors
    /// Any I/O error, with the path.
    pub fn save(&self) -> Result<()> {
        save_judged(&self.path, &self.judged)
    }
}

/// Writes judged messages anew, a line each; who may read the file stays as it is.
///
/// # Errors
/// Any I/O error, with the path.
pub fn save_judged(path: &Path, judged: &[Judged]) -> Result<()> {
    let rights = match path.exists() {
        true => Rights::OPEN,
        false => Rights::PRIVATE,
    };
    files::write_jsonl(path, rights, judged)
}

/// The messages of a text file; of those that are the same but for case and punctuation the first.
fn messages(path: &Path) -> Result<Vec<String>> {
    let data = |row, what: &str, advice: &'static str| Error::Data {
        path: path.to_path_buf(),
        row,
        what: what.into(),
        remedy: advice.into(),
    };
    let bytes = fs::read(path).at("read", path)?;
    let text = str::from_utf8(&bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let row = good.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
        data(Some(row), "not UTF-8", "save it as UTF-8")
    })?;
    let mut seen = Said::default();
    let mut messages = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
        if !line.is_empty() && seen.insert(line) {
            messages.push(line.to_owned());
        }
    }
    if messages.is_empty() {
        let advice = "write what people may say to the character, a message a line";
        return Err(data(None, "there is no message in it", advice));
    }
    Ok(messages)
}

/// The file as it was left; of these messages.
fn resume(path: &Path, messages: &[String]) -> Result<Vec<Judged>> {
    let all: Vec<Judged> = files::read_jsonl(path)?;
    if all.iter().map(|judged| &judged.message).ne(messages) {
        return Err(Error::Data {
            path: path.to_path_buf(),
            row: None,
            what: "it has other messages than are to be judged now".into(),
            remedy: "write to another file, or move this one away".into(),
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_lines_of_which_no_two_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages.txt");
        fs::write(&path, "\u{feff}Hello!\r\n\n  Where were you? \nhello\n").unwrap();
        assert_eq!(messages(&path).unwrap(), ["Hello!", "Where were you?"]);
        fs::write(&path, " \n").unwrap();
        assert!(
            messages(&path)
                .unwrap_err()
                .to_string()
                .contains("no message")
        );
        fs::write(&path, b"Hello!\nCaf\xe9?\n").unwrap();
        let error = messages(&path).unwrap_err().to_string();
        assert!(
            error.contains("row 2") && error.contains("UTF-8"),
            "{error}"
        );
    }
}
