//! What people thought of answers that they were given.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Exchange, Turn};
use crate::error::{Error, Result};
use crate::files;

/// Good or bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// A good answer.
    Up,
    /// None.
    Down,
}

/// What somebody thought of an answer: a line of the file that `serve` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// What was said to the character.
    pub query: String,
    /// The turns before it, oldest first.
    #[serde(default)]
    pub context: Vec<String>,
    /// What it answered.
    pub reply: String,
    /// What that was worth.
    pub verdict: Verdict,
    /// Which character.
    #[serde(default)]
    pub persona: String,
}

/// All that was thought of the answers to one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// What was said to the character.
    pub query: String,
    /// The turns before it, oldest first.
    pub context: Vec<String>,
    /// Answers that somebody liked.
    pub liked: Vec<String>,
    /// Answers that nobody did.
    pub disliked: Vec<String>,
}

impl Opinion {
    /// The exchanges that it amounts to: one for every answer that was liked.
    pub(crate) fn exchanges(&self) -> impl Iterator<Item = Exchange> {
        let turn = |text: &String| Turn {
            speaker: String::new(),
            text: text.clone(),
        };
        self.liked.iter().map(move |reply| Exchange {
            id: 0,
            scene: 0,
            context: self.context.iter().map(turn).collect(),
            query: turn(&self.query),
            reply: reply.clone(),
            close_replies: Vec::new(),
            good_replies: Vec::new(),
            bad_replies: Vec::new(),
        })
    }
}

/// Reads feedback, message by message. Of several verdicts on the same answer the last one counts.
///
/// # Errors
/// The file cannot be read, a line is none of feedback, or no answer in it was liked.
pub(crate) fn read_feedback(path: &Path) -> Result<Vec<Opinion>> {
    let opinions = gather(files::read_jsonl(path)?);
    if opinions.iter().all(|opinion| opinion.liked.is_empty()) {
        return Err(Error::Data {
            path: path.to_path_buf(),
            row: None,
            what: "no answer in it was liked".into(),
            remedy: "say of some answers that they are good".into(),
        });
    }
    Ok(opinions)
}

/// By message, in the order in which they were first said.
fn gather(lines: Vec<Feedback>) -> Vec<Opinion> {
    let mut places = HashMap::new();
    let mut opinions: Vec<Opinion> = Vec::new();
    for line in lines {
        let key = (line.query.clone(), line.context.clone());
        let place = *places.entry(key).or_insert(opinions.len());
        if place == opinions.len() {
            opinions.push(Opinion {
                query: line.query,
                context: line.context,
                liked: Vec::new(),
                disliked: Vec::new(),
            });
        }
        if let Some(opinion) = opinions.get_mut(place) {
            opinion.liked.retain(|reply| *reply != line.reply);
            opinion.disliked.retain(|reply| *reply != line.reply);
            match line.verdict {
                Verdict::Up => opinion.liked.push(line.reply),
                Verdict::Down => opinion.disliked.push(line.reply),
            }
        }
    }
    opinions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(query: &str, reply: &str, verdict: Verdict) -> Feedback {
        Feedback {
            query: query.into(),
            context: Vec::new(),
            reply: reply.into(),
            verdict,
            persona: String::new(),
        }
    }

    #[test]
    fn the_last_verdict_on_an_answer_counts_and_messages_are_told_apart_by_their_context() {
        use Verdict::{Down, Up};
        let mut other = line("Hi.", "Hello!", Up);
        other.context = vec!["Knock, knock.".into()];
        let opinions = gather(vec![
            line("Hi.", "Hello!", Up),
            line("Hi.", "Go away.", Up),
            line("Bye.", "So long.", Down),
            other,
            line("Hi.", "Go away.", Down),
        ]);
        let of = |i: usize| (&opinions[i].liked[..], &opinions[i].disliked[..]);
        assert_eq!(opinions.len(), 3);
        assert_eq!(of(0), (&["Hello!".into()][..], &["Go away.".into()][..]));
        assert_eq!(of(1), (&[][..], &["So long.".into()][..]));
        assert_eq!(opinions[2].context, ["Knock, knock."]);
        let exchanges: Vec<_> = opinions.iter().flat_map(Opinion::exchanges).collect();
        assert_eq!(exchanges.len(), 2);
        assert_eq!(exchanges[1].context[0].text, "Knock, knock.");
    }

    #[test]
    fn a_file_in_which_nothing_was_liked_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("feedback.jsonl");
        files::write_jsonl(
            &path,
            files::Rights::OPEN,
            &[line("Hi.", "No.", Verdict::Down)],
        )
        .unwrap();
        let error = read_feedback(&path).unwrap_err().to_string();
        assert!(error.contains("no answer in it was liked"), "{error}");
        files::write_jsonl(
            &path,
            files::Rights::OPEN,
            &[line("Hi.", "Hi!", Verdict::Up)],
        )
        .unwrap();
        assert_eq!(read_feedback(&path).unwrap().len(), 1);
    }
}
