//! Grading away from homer: a sheet to read, and the grades read back.
#![allow(
    clippy::indexing_slicing,
    reason = "a line is held against the messages and its grades are counted before"
)]

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use crate::dialogue::{Grade, Judged};
use crate::error::{Error, IoContext, Result};
use crate::files::{self, Rights};
use crate::text::printable::printable_line;

const HEAD: &str = "\
Grade how well each numbered line answers the message above it, for somebody who reads only these two:
  2  a good answer: one would show it to a friend
  1  passable: could be an answer, with good will
  0  no answer: contradicts, only echoes, answers something else, is spoken to somebody else by name,
     or needs a scene that one doesn't know
Identical lines get identical grades. Write a line a message: its number, a colon, and a grade for every
line in order, a dash where you have none. For example `1: 0 2 - 1`.
";

/// Writes the messages with their candidates as text, numbered from 1, without scores or grades; for its owner's
/// eyes, who may give it to others.
///
/// # Errors
/// Any I/O error, with the path.
pub fn write(path: &Path, judged: &[Judged]) -> Result<()> {
    let write = |out: &mut dyn Write| -> std::io::Result<()> {
        write!(out, "{HEAD}")?;
        for (number, one) in judged.iter().enumerate() {
            writeln!(out)?;
            for turn in &one.context {
                writeln!(out, "(before: {})", printable_line(turn))?;
            }
            writeln!(out, "## {}: {}", number + 1, printable_line(&one.message))?;
            for (number, candidate) in one.candidates.iter().enumerate() {
                writeln!(out, "{}. {}", number + 1, printable_line(&candidate.reply))?;
            }
        }
        Ok(())
    };
    files::write_atomic_as(path, Rights::PRIVATE, |out| write(out).at("write", path))
}

/// Puts the grades of a file, lines like `12: 0 2 1`, into the messages of these numbers, in the place of
/// earlier ones; how many messages were graded. Empty lines and those that begin with `#` say nothing.
///
/// # Errors
/// The file cannot be read, or a line is not what belongs there: then nothing is changed.
pub fn read(path: &Path, judged: &mut [Judged]) -> Result<usize> {
    let text = fs::read_to_string(path).at("read", path)?;
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for (row, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (place, grades) = parse(line, judged)
            .and_then(|one| match seen.insert(one.0) {
                true => Ok(one),
                false => Err(format!("message {} was graded above", one.0 + 1)),
            })
            .map_err(|what| Error::Data {
                path: path.to_path_buf(),
                row: Some(row as u64 + 1),
                what,
                remedy: "a line is a message's number, a colon, and a grade (0, 1, 2 or -) for each of its \
                       replies: `12: 0 2 1`"
                    .into(),
            })?;
        found.push((place, grades));
    }
    for (place, grades) in &found {
        for (candidate, grade) in judged[*place].candidates.iter_mut().zip(grades) {
            candidate.grade = grade.or(candidate.grade);
        }
    }
    Ok(found.len())
}

/// The place of the message that a line grades, and the grades.
fn parse(
    line: &str,
    judged: &[Judged],
) -> std::result::Result<(usize, Vec<Option<Grade>>), String> {
    let (number, grades) = line.split_once(':').ok_or("there is no colon")?;
    let number = number.trim();
    let place = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
    let (place, one) = place
        .and_then(|place| Some((place, judged.get(place)?)))
        .ok_or_else(|| {
            format!(
                "there is no message {number:?}: they are 1 to {}",
                judged.len()
            )
        })?;
    let grades: Vec<Option<Grade>> = grades
        .split_whitespace()
        .map(grade)
        .collect::<std::result::Result<_, _>>()?;
    let candidates = one.candidates.len();
    if grades.len() != candidates {
        return Err(format!(
            "{} grades, where message {number} has {candidates} replies",
            grades.len()
        ));
    }
    for (later, candidate) in one.candidates.iter().enumerate() {
        let mut earlier = one.candidates[..later].iter();
        if let Some(first) = earlier.position(|other| other.reply == candidate.reply)
            && grades[first] != grades[later]
        {
            return Err(format!(
                "replies {} and {} are the same line and have other grades",
                first + 1,
                later + 1
            ));
        }
    }
    Ok((place, grades))
}

fn grade(text: &str) -> std::result::Result<Option<Grade>, String> {
    if text == "-" {
        return Ok(None);
    }
    let number = text.parse::<u8>().ok();
    let grade = number.and_then(|number| Grade::try_from(number).ok());
    grade
        .map(Some)
        .ok_or_else(|| format!("{text:?} is no grade"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::JudgedReply;

    fn judged() -> Vec<Judged> {
        let message = |text: &str, replies: &[&str]| Judged {
            message: text.into(),
            context: vec![],
            candidates: replies
                .iter()
                .map(|reply| JudgedReply {
                    reply: (*reply).into(),
                    answered: None,
                    score: Some(0.5),
                    grade: None,
                    logit: None,
                })
                .collect(),
        };
        vec![
            message("Well?", &["Hm.", "No\u{1b}[2J,\nnever."]),
            message("Why?", &["Hm.", "Boats.", "Hm."]),
        ]
    }

    fn grades(judged: &[Judged]) -> Vec<Vec<Option<u8>>> {
        let of = |one: &Judged| {
            let candidates = one.candidates.iter();
            candidates.map(|one| one.grade.map(u8::from)).collect()
        };
        judged.iter().map(of).collect()
    }

    #[test]
    fn a_sheet_is_read_in_order_and_its_grades_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let (sheet, back) = (
            folder.path().join("sheet.txt"),
            folder.path().join("grades.txt"),
        );
        let mut judged = judged();
        write(&sheet, &judged).unwrap();
        let text = fs::read_to_string(&sheet).unwrap();
        let body = "\n## 1: Well?\n1. Hm.\n2. No\\u{1b}[2J, never.\n\n## 2: Why?\n1. Hm.\n2. Boats.\n3. Hm.\n";
        assert!(text.ends_with(body), "{text}");
        fs::write(&back, "# by Ada\n\n 2 : 0 1 0\n1: - 2\n").unwrap();
        assert_eq!(read(&back, &mut judged).unwrap(), 2);
        assert_eq!(
            grades(&judged),
            [vec![None, Some(2)], vec![Some(0), Some(1), Some(0)]]
        );
        // A grade takes an earlier one's place, a dash leaves it.
        fs::write(&back, "1: 1 -").unwrap();
        assert_eq!(read(&back, &mut judged).unwrap(), 1);
        assert_eq!(grades(&judged)[0], [Some(1), Some(2)]);
    }

    #[test]
    fn a_line_that_does_not_belong_is_named_and_nothing_is_graded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grades.txt");
        for (line, what) in [
            ("2 0 1 0", "no colon"),
            ("3: 0 1", "no message \"3\": they are 1 to 2"),
            ("0: 0 1", "no message"),
            ("two: 0 1 0", "no message"),
            ("2: 0 1", "2 grades, where message 2 has 3 replies"),
            ("2: 0 3 0", "\"3\" is no grade"),
            ("2: 0 good 0", "\"good\" is no grade"),
            ("2: 0 1 2", "replies 1 and 3 are the same line"),
            ("1: 0 0", "message 1 was graded above"),
        ] {
            let mut judged = judged();
            fs::write(&path, format!("1: 2 2\n{line}\n")).unwrap();
            let error = read(&path, &mut judged).unwrap_err().to_string();
            assert!(error.contains("row 2") && error.contains(what), "{error}");
            assert_eq!(grades(&judged)[0], [None, None]);
        }
    }
}
