//! What was said so far: the context of the next answer, and what is not to be said again.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;

use super::candidate::Answer;
use super::decide::Choice;
use super::persona::Persona;
use crate::dialogue::{Query, Said};
use crate::error::{Error, IoContext, Remedy, Result};
use crate::files::{self, Rights};

/// Questions that are remembered with their answers.
const REMEMBERED: usize = 1000;
/// How many more there are before the oldest are forgotten.
const SLACK: usize = 100;
/// Questions and answers that are given to the models with the next question.
const NEWEST: usize = 2;

/// The questions asked, with the answers given: the last thousand, however long it goes on.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    said: VecDeque<(String, Option<String>)>,
    /// The same, to look things up in.
    known: Said,
    /// Questions that were asked before those.
    forgotten: usize,
}

impl Conversation {
    /// What `persona` answers to `question` after what was said, see [`Persona::answer`]; both are remembered.
    ///
    /// # Errors
    /// As [`Persona::answer`].
    pub fn answer(&mut self, persona: &Persona, question: &str, choice: &Choice) -> Result<Answer> {
        let before = self.newest();
        let query = Query {
            context: &before,
            text: question,
        };
        self.known.insert(query.bounded().text);
        let candidates = persona.retrieve(query, &self.known, choice.top_k)?;
        let answer = persona.decide(query, candidates, choice)?;
        self.add(question, answer.text());
        Ok(answer)
    }

    /// Adds a question and its answer; `None` where there was no good one.
    pub fn add(&mut self, question: &str, answer: Option<&str>) {
        for text in [Some(question), answer].into_iter().flatten() {
            self.known.insert(text);
        }
        self.said
            .push_back((question.to_owned(), answer.map(str::to_owned)));
        if self.said.len() > REMEMBERED + SLACK {
            self.said.drain(..SLACK);
            self.forgotten += SLACK;
            self.known = turns(&self.said).collect();
        }
    }

    /// Every turn that is remembered, oldest first: the newest is what the next question is read after, and none
    /// is said again.
    pub fn context(&self) -> Vec<String> {
        turns(&self.said).map(str::to_owned).collect()
    }

    /// The turns just before the next question, oldest first: the newest that has words is read.
    fn newest(&self) -> Vec<String> {
        let newest = self.said.len().saturating_sub(NEWEST);
        let said = self.said.iter().skip(newest);
        turns(said).map(str::to_owned).collect()
    }

    /// Number of questions asked.
    pub fn len(&self) -> usize {
        self.forgotten + self.said.len()
    }

    /// Whether nothing was asked yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes what is remembered of the conversation as text, a turn a line: `You: …`, `CHARACTER: …`. It is for
    /// its owner's eyes.
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
        files::write_atomic_as(path, Rights::PRIVATE, |out| {
            if self.forgotten > 0 {
                let forgotten = self.forgotten;
                writeln!(out, "(… {forgotten} questions before)").at("write", path)?;
            }
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

/// All turns, in their order.
fn turns<'a>(
    said: impl IntoIterator<Item = &'a (String, Option<String>)>,
) -> impl Iterator<Item = &'a str> {
    said.into_iter()
        .flat_map(|(question, answer)| [Some(question), answer.as_ref()])
        .flatten()
        .map(String::as_str)
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
    fn a_long_conversation_takes_no_more_room() {
        let mut conversation = Conversation::default();
        for i in 0..5000 {
            conversation.add(&format!("question {i}"), Some(&format!("answer {i}")));
        }
        assert_eq!(conversation.len(), 5000);
        let turns = conversation.context();
        assert!((2 * REMEMBERED..=2 * (REMEMBERED + SLACK)).contains(&turns.len()));
        assert_eq!(turns.last().unwrap(), "answer 4999");
        assert_eq!(conversation.known.len(), turns.len());
        assert!(conversation.known.contains("answer 4000"));
        assert!(!conversation.known.contains("answer 3"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.txt");
        conversation.save(&path, "Rufus").unwrap();
        let saved = std::fs::read_to_string(&path).unwrap();
        let before = 5000 - turns.len() / 2;
        assert!(saved.starts_with(&format!("(… {before} questions before)\nYou: ")));
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
