//! Messages with candidate replies that a reader has graded.

use std::borrow::Cow;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files;
use crate::text::cut::at_most;

/// How well a reply answers a message, to somebody who reads only these two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Grade {
    /// No answer.
    Bad,
    /// Could be an answer, with good will.
    Passable,
    /// A good answer.
    Good,
}

impl TryFrom<u8> for Grade {
    type Error = String;

    fn try_from(number: u8) -> std::result::Result<Self, String> {
        match number {
            0 => Ok(Self::Bad),
            1 => Ok(Self::Passable),
            2 => Ok(Self::Good),
            _ => Err(format!("a grade is 0, 1 or 2, not {number}")),
        }
    }
}

impl From<Grade> for u8 {
    fn from(grade: Grade) -> u8 {
        grade as u8
    }
}

/// A candidate reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedReply {
    /// The reply.
    pub reply: String,
    /// What it was written to answer, where a model that reads it is to know that; a reader is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<String>,
    /// The first stage's score of it, if it was found by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// Its grade; `None` where nobody has graded it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<Grade>,
    /// What a larger model makes of it, as a logit among the candidates of its message: a teacher's opinion, to
    /// learn from beside grades or instead of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit: Option<f32>,
}

impl JudgedReply {
    /// The reply as a cross-encoder reads it, see [`with_answered`].
    pub(crate) fn with_answered(&self) -> Cow<'_, str> {
        with_answered(self.answered.as_deref(), &self.reply)
    }
}

/// What a cross-encoder reads as a reply: the reply, or, where it is told what that was written to answer, both.
/// Of what was answered the beginning: the reply has to have room.
pub(crate) fn with_answered<'a>(answered: Option<&str>, reply: &'a str) -> Cow<'a, str> {
    /// In characters: some twenty-five tokens of the sixty-four that are read.
    const MOST: usize = 100;
    match answered {
        Some(answered) => format!("{} | {reply}", at_most(answered, MOST)).into(),
        None => reply.into(),
    }
}

/// A message, what was said before it, and candidate replies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// What somebody says to the character.
    pub message: String,
    /// The turns before it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<String>,
    /// The candidates.
    pub candidates: Vec<JudgedReply>,
}

impl Judged {
    /// The candidates that were graded, with their grades.
    pub(crate) fn graded(&self) -> impl Iterator<Item = (&str, Grade)> {
        let candidates = self.candidates.iter();
        candidates.filter_map(|one| Some((one.reply.as_str(), one.grade?)))
    }

    /// The candidates to learn an order of, with what share of the answer each deserves; the shares sum to 1. Where
    /// all are graded and a teacher has an opinion of each, half of the share is the one's and half the other's.
    /// `None` where there is no order to learn.
    pub(crate) fn lesson(&self) -> Option<(Vec<&JudgedReply>, Vec<f32>)> {
        let logits: Option<Vec<f32>> = self.candidates.iter().map(|one| one.logit).collect();
        let taught = logits.filter(|logits| logits.len() > 1);
        let Some(taught) = taught.map(|logits| softmax(&logits)) else {
            let graded = self.candidates.iter();
            let graded = graded.filter_map(|one| Some((one, one.grade?)));
            let (candidates, grades): (Vec<&JudgedReply>, Vec<Grade>) = graded.unzip();
            return Some((candidates, shares(&grades)?));
        };
        let grades: Option<Vec<Grade>> = self.candidates.iter().map(|one| one.grade).collect();
        let shares = match grades.and_then(|grades| shares(&grades)) {
            None => taught,
            Some(graded) => graded
                .iter()
                .zip(taught)
                .map(|(a, b)| (a + b) / 2.0)
                .collect(),
        };
        Some((self.candidates.iter().collect(), shares))
    }
}

/// Shares in proportion to the exponentials.
fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let worth: Vec<f32> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let sum: f32 = worth.iter().sum();
    worth.into_iter().map(|one| one / sum).collect()
}

/// Reads judged messages, one a line.
///
/// # Errors
/// The file cannot be read, a line is not a judged message, or there is no grade in all of it.
pub fn read_judged(path: &Path) -> Result<Vec<Judged>> {
    let all: Vec<Judged> = files::read_jsonl(path)?;
    if all.iter().all(|judged| judged.graded().next().is_none()) {
        return Err(Error::Data {
            path: path.to_path_buf(),
            row: None,
            what: "nothing in it is graded".into(),
            remedy: "grade its candidates first: 0 no answer, 1 passable, 2 good".into(),
        });
    }
    Ok(all)
}

/// What a passable answer deserves where a good one deserves 1.
const PASSABLE: f32 = 0.2;

/// What share of the answer each grade deserves among its group: the shares sum to 1. `None` where all are
/// alike, and there is no order to learn.
pub(crate) fn shares(grades: &[Grade]) -> Option<Vec<f32>> {
    let first = grades.first()?;
    if grades.iter().all(|grade| grade == first) {
        return None;
    }
    let worth = |grade: &Grade| match grade {
        Grade::Bad => 0.0,
        Grade::Passable => PASSABLE,
        Grade::Good => 1.0,
    };
    let sum: f32 = grades.iter().map(worth).sum();
    Some(grades.iter().map(|grade| worth(grade) / sum).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_answers_share_what_passable_ones_leave() {
        use Grade::{Bad, Good, Passable};
        let shares = shares(&[Bad, Good, Passable, Good]).unwrap();
        assert_eq!(shares[0], 0.0);
        assert!((shares[1] - 1.0 / 2.2).abs() < 1e-6 && shares[1] == shares[3]);
        assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }

    fn candidate(grade: Option<Grade>, logit: Option<f32>) -> JudgedReply {
        JudgedReply {
            reply: String::new(),
            answered: None,
            score: None,
            grade,
            logit,
        }
    }

    fn lesson(candidates: Vec<JudgedReply>) -> Option<Vec<f32>> {
        let judged = Judged {
            message: String::new(),
            context: vec![],
            candidates,
        };
        judged.lesson().map(|(_, shares)| shares)
    }

    #[test]
    fn a_teacher_stands_beside_grades_and_for_them() {
        use Grade::{Bad, Good};
        let logits = [3f32.ln(), 0.0];
        let taught = lesson(logits.map(|logit| candidate(None, Some(logit))).to_vec()).unwrap();
        assert!((taught[0] - 0.75).abs() < 1e-6 && (taught[1] - 0.25).abs() < 1e-6);
        let both = vec![
            candidate(Some(Bad), Some(logits[0])),
            candidate(Some(Good), Some(logits[1])),
        ];
        let both = lesson(both).unwrap();
        assert!((both[0] - 0.375).abs() < 1e-6 && (both[1] - 0.625).abs() < 1e-6);
        // Of a teacher who has seen some only, the others can't be told: the grades count.
        let some = vec![candidate(Some(Bad), Some(9.0)), candidate(Some(Good), None)];
        assert_eq!(lesson(some).unwrap(), [0.0, 1.0]);
        assert!(lesson(vec![candidate(None, None)]).is_none());
        // Grades that are all alike teach nothing; the teacher still does.
        let alike = logits.map(|logit| candidate(Some(Bad), Some(logit)));
        assert!((lesson(alike.to_vec()).unwrap()[0] - 0.75).abs() < 1e-6);
    }

    #[test]
    fn where_all_are_alike_there_is_nothing_to_learn() {
        assert!(shares(&[]).is_none());
        assert!(shares(&[Grade::Bad; 3]).is_none());
        assert!(shares(&[Grade::Good; 3]).is_none());
    }
}
