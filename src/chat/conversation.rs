//! What was said so far: the context of the next answer, and what is not to be said again.

use std::io::Write;
use std::path::Path;

use crate::error::{Error, IoContext, Remedy, Result};
use crate::files;

/// The questions asked, with the answers given.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    said: Vec<(String, Option<String>)>,
}

impl Conversation {
    /// Adds a question and its answer; `None` where there was no good one.
    pub fn add(&mut self, question: &str, answer: Option<&str>) {
        self.said
            .push((question.to_owned(), answer.map(str::to_owned)));
    }

    /// Every turn so far, oldest first: the newest is what the next question is read after, and none
    /// is said again.
    pub fn context(&self) -> Vec<String> {
        self.said
            .iter()
            .flat_map(|(question, answer)| [Some(question), answer.as_ref()])
            .flatten()
            .cloned()
            .collect()
    }

    /// Number of questions asked.
    pub fn len(&self) -> usize {
        self.said.len()
    }

    /// Whether nothing was asked yet.
    pub fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.said.clear();
    }

    /// Writes the whole conversation as text, a turn a line: `You: …`, `CHARACTER: …`.
    ///
    /// # Errors
    /// [`Error::Exists`] where there is such a file; there is no such folder; any I/O error.
    pub fn save(&self, path: &Path, character: &str) -> Result<()> {
        if path.exists() {
            return Err(Error::Exists {
                path: path.to_path_buf(),
                remedy: "give another name: nothing is overwritten".into(),
            });
        }
        // A slip of the pen in the path should not make folders.
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let what = format!("there is no folder {}", folder.display());
            return Err(Error::setting(what, Remedy::None));
        }
        files::write_atomic(path, |out| {
            for (question, answer) in &self.said {
                writeln!(out, "You: {question}").at("write", path)?;
                if let Some(answer) = answer {
                    writeln!(out, "{character}: {answer}").at("write", path)?;
                }
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_is_remembered_until_it_is_forgotten() {
        let mut conversation = Conversation::default();
        conversation.add("question 0", Some("answer 0"));
        conversation.add("question 1", None);
        conversation.add("question 2", Some("answer 2"));
        let turns = [
            "question 0",
            "answer 0",
            "question 1",
            "question 2",
            "answer 2",
        ];
        assert_eq!(conversation.context(), turns);
        assert_eq!(conversation.len(), 3);
        conversation.clear();
        assert!(conversation.context().is_empty() && conversation.is_empty());
    }

    #[test]
    fn saving_writes_both_sides_and_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.txt");
        let mut conversation = Conversation::default();
        conversation.add("Where is my hat?", Some("On the moose."));
        conversation.add("Why?", None);
        conversation.save(&path, "Rufus").unwrap();
        let saved = "You: Where is my hat?\nRufus: On the moose.\nYou: Why?\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), saved);
        let nowhere = folder.path().join("nowhere/talk.txt");
        assert!(
            conversation.save(&nowhere, "Rufus").is_err()
                && !folder.path().join("nowhere").exists()
        );
        conversation.clear();
        let refused = conversation.save(&path, "Rufus").unwrap_err();
        assert!(matches!(refused, Error::Exists { .. }), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), saved);
    }
}
