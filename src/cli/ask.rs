//! `homer ask`.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use homer::{Answer, Candidate, Persona, one_line};

use super::explain::explain;
use super::persona::{MAKE_YOUR_OWN, PersonaArgs, who};
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
    /// Ask each line of this file by itself, and answer in as many lines; `-` is standard input
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
    built_in: bool,
    question: &'a str,
    answer: Option<&'a str>,
    chosen: Option<&'a Candidate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<&'a [Candidate]>,
}

pub(super) fn run(args: Args, global: &Global) -> anyhow::Result<()> {
    let questions = args.questions()?;
    let persona = args.persona.load(global)?;
    if persona.built_in && std::io::stderr().is_terminal() {
        eprintln!("{} {MAKE_YOUR_OWN}", who(&persona));
    }
    let choice = args.persona.choice();
    let mut out = std::io::stdout().lock();
    for question in questions {
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
    }
    // The process ends here: the system frees in one go what would take us milliseconds.
    std::mem::forget(persona);
    Ok(())
}

impl Args {
    /// Everything that is asked, without white space around it.
    fn questions(&self) -> anyhow::Result<Vec<String>> {
        if let Some(file) = &self.file {
            let text = read(file)?;
            return Ok(text.lines().map(|line| line.trim().to_owned()).collect());
        }
        let question = match self.question.as_deref() {
            Some("-") => read(Path::new("-"))?,
            given => given.unwrap_or_default().to_owned(),
        };
        let words: Vec<&str> = question.split_whitespace().collect();
        if words.is_empty() {
            return Err(usage_error("the question is empty"));
        }
        Ok(vec![words.join(" ")])
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

/// A file's text; `-` is standard input.
fn read(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin()
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
    } else {
        bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|&&byte| byte == b'\n').count() + 1;
        anyhow::anyhow!("{}, line {line}: not UTF-8", path.display())
    })?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}
