//! `homer ask`.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use homer::{Answer, Candidate, Persona, one_line};

use super::explain::explain;
use super::lines::{Lines, all_of_standard_input};
use super::persona::{PersonaArgs, make_your_own, who};
use super::{Global, usage_error};

/// Ask the character something
///
/// Standard output is the answer and nothing else: an empty line where no reply reaches
/// `--min-score`. The persona that you trained answers, and until
/// there is one, the built-in one.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  homer ask \"Want to go fishing?\"
  homer ask \"Why not?\" --context \"Want to go fishing?\" --context \"No.\" --explain
  homer ask --file questions.txt --json > answers.jsonl")]
pub(super) struct Args {
    /// What to say to the character; `-` reads it from standard input
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    question: Option<String>,
    /// Ask each line of this file by itself, and answer in as many lines; `-` is standard input. Of each, the first
    /// 20,000 characters are read
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// What was said before, oldest first; the newest is read with the question, and none is said again
    #[arg(long, value_name = "TURN")]
    context: Vec<String>,
    /// Show who speaks, the best candidates, their scores, and what they were said to
    #[arg(long)]
    explain: bool,
    /// Write each answer as a line of JSON, its candidates with --explain
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    persona: PersonaArgs,
}

/// An answer as JSON, with who gave it.
#[derive(Serialize)]
struct Line<'a> {
    character: &'a str,
    folder: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'a str>,
    built_in: bool,
    question: &'a str,
    answer: Option<&'a str>,
    chosen: Option<&'a Candidate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<&'a [Candidate]>,
}

pub(super) fn run(args: Args, global: &Global) -> anyhow::Result<()> {
    let mut questions = args.questions()?;
    // What cannot be read is said before a persona is opened, which takes its time.
    let mut next = questions.next()?;
    let persona = args.persona.load(global)?;
    if persona.built_in && std::io::stderr().is_terminal() {
        eprintln!("{} {}", who(&persona), make_your_own(global));
    }
    let choice = args.persona.choice();
    let mut out = std::io::stdout().lock();
    while let Some(question) = next {
        // An empty line of a file has an empty answer, so that lines keep their numbers.
        let answer = if question.is_empty() {
            Answer {
                candidates: vec![],
                chosen: None,
            }
        } else {
            persona.answer(&args.context, &question, &[], &choice)?
        };
        args.show(&mut out, &persona, &question, &answer)?;
        next = questions.next()?;
    }
    // The process ends here: the system frees in one go what would take us milliseconds.
    std::mem::forget(persona);
    Ok(())
}

/// What is asked, one after the other.
enum Questions {
    One(Option<String>),
    Lines(Lines),
}

impl Questions {
    /// The next one, without white space around it.
    fn next(&mut self) -> anyhow::Result<Option<String>> {
        match self {
            Self::One(question) => Ok(question.take()),
            Self::Lines(lines) => Ok(lines.next()?.map(|line| line.trim().to_owned())),
        }
    }
}

impl Args {
    fn questions(&self) -> anyhow::Result<Questions> {
        if let Some(file) = &self.file {
            return Ok(Questions::Lines(Lines::open(file)?));
        }
        let question = match self.question.as_deref() {
            Some("-") => all_of_standard_input()?,
            given => given.unwrap_or_default().to_owned(),
        };
        let words: Vec<&str> = question.split_whitespace().collect();
        if words.is_empty() {
            return Err(usage_error("the question is empty"));
        }
        Ok(Questions::One(Some(words.join(" "))))
    }

    fn show(
        &self,
        out: &mut impl Write,
        persona: &Persona,
        question: &str,
        answer: &Answer,
    ) -> anyhow::Result<()> {
        if self.json {
            let line = Line {
                character: &persona.character,
                folder: persona.folder.as_deref(),
                store: persona.store.as_deref(),
                built_in: persona.built_in,
                question,
                answer: answer.text(),
                chosen: answer.candidate(),
                candidates: self.explain.then_some(&answer.candidates),
            };
            writeln!(out, "{}", serde_json::to_string(&line)?)?;
        } else if question.is_empty() {
            writeln!(out)?;
        } else {
            match answer.text() {
                Some(text) => writeln!(out, "{}", one_line(text))?,
                // An answer of the character's is never mistaken for this.
                None => {
                    writeln!(out)?;
                    eprintln!("homer: no reply reaches --min-score");
                }
            }
            if self.explain {
                writeln!(out, "\n{}\n{}", who(persona), explain(answer))?;
            }
        }
        Ok(())
    }
}
