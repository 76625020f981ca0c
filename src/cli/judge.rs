//! `homer judge`.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use console::{Key, Term};

use homer::project::{Current, Grading, JudgeSettings, save_judged, sheet};
use homer::{Grade, Judged, printable_line, project};

use super::Global;
use super::progress::Display;
use super::store::StoreArgs;

/// Grade what the character answers, so that it can be measured and trained by it
///
/// Each line of MESSAGES is put to several systems; their best replies are mixed in random order and written
/// to MESSAGES.judged.jsonl. On a terminal you then grade them, a key each: 0 no answer, 1 passable, 2 good.
/// Every grade is saved at once, and the same command goes on where you left off. `homer eval --judged`
/// measures by the grades.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  homer judge messages.txt
  homer judge messages.txt --sheet sheet.txt
  homer judge messages.txt --grades grades.txt")]
pub(super) struct Args {
    /// What people may say to the character, a message a line
    messages: PathBuf,
    /// Where to write messages, replies and grades [default: MESSAGES.judged.jsonl]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replies to a message, of all systems together
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..))]
    top_k: u32,
    /// Seed of the order
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Only write the replies
    #[arg(long)]
    no_grade: bool,
    /// Write them as plain text too, for people who grade away from homer
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Read their grades back: lines like `12: 0 2 1`, the message's number and a grade for each reply
    #[arg(long, value_name = "FILE")]
    grades: Option<PathBuf>,
    /// Compute on the GPU
    #[arg(long)]
    gpu: bool,
    #[command(flatten)]
    store: StoreArgs,
}

pub(super) fn run(args: Args, global: &Global) -> anyhow::Result<()> {
    let settings = JudgeSettings {
        messages: args.messages,
        out: args.out,
        candidates: args.top_k as usize,
        seed: args.seed,
        gpu: args.gpu,
    };
    let project = args.store.project(global)?;
    let mut judging = project::judge(&project, &settings, &mut Display::new(global)?)?;
    if let Some(path) = &args.sheet {
        sheet::write(path, &judging.judged)?;
        eprintln!("wrote {}", path.display());
    }
    if let Some(path) = &args.grades {
        let read = sheet::read(path, &mut judging.judged)?;
        judging.save()?;
        eprintln!("read the grades of {read} messages from {}", path.display());
    }
    let path = judging.path;
    let mut grading = Grading::new(judging.judged);
    let away = args.no_grade || args.sheet.is_some() || args.grades.is_some();
    let term = Term::stderr();
    if !away && grading.current().is_some() && term.is_term() && std::io::stdin().is_terminal() {
        let mut out = term.clone();
        let keys = || key(&term);
        grade(&mut grading, keys, &mut out, |judged| {
            save_judged(&path, judged)
        })?;
    }
    tell(&grading, &path, away, global);
    Ok(())
}

/// The next key; `None` where there is none any more.
fn key(term: &Term) -> std::io::Result<Option<char>> {
    match term.read_key() {
        Ok(Key::Char(key)) => Ok(Some(key)),
        Ok(_) => Ok(Some('?')),
        // Ctrl-C is a way to quit like any other: everything is saved.
        Err(error)
            if [ErrorKind::Interrupted, ErrorKind::UnexpectedEof].contains(&error.kind()) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Says how far it is, and how to go on.
fn tell(grading: &Grading, out: &Path, away: bool, global: &Global) {
    let (all, graded) = grading.count();
    eprintln!("{}: {graded} of {all} replies are graded", out.display());
    if graded < all && !away {
        eprintln!(
            "to grade them, run this again on a terminal, or let people do it elsewhere: --sheet FILE writes a \
             text for them, --grades FILE reads their grades (--no-grade only writes the replies)"
        );
    }
    if graded > 0 {
        let command = format!("eval --judged {}", super::quoted(out));
        eprintln!("next: {}", global.command(&command));
    }
}

const HELP: &str = "\
2 or g: a good answer   1 or p: passable   0 or n: no answer   u: undo   s: skip   q: quit and save
judge by reading these two alone; an echo, somebody else's name or a scene that one doesn't know is no answer";

/// Asks for a grade of one reply after another and saves each; until all are graded or passed over, the reader
/// quits, or there is no key any more.
fn grade(
    grading: &mut Grading,
    mut key: impl FnMut() -> std::io::Result<Option<char>>,
    out: &mut impl Write,
    mut save: impl FnMut(&[Judged]) -> homer::Result<()>,
) -> anyhow::Result<()> {
    writeln!(out, "{HELP}")?;
    let mut shown = None;
    loop {
        let Some(current) = grading.current() else {
            write!(
                out,
                "\nthat was the last one; u: undo, any other key ends  "
            )?;
            out.flush()?;
            let undone = key()?.is_some_and(|key| key.eq_ignore_ascii_case(&'u')) && grading.undo();
            writeln!(out)?;
            if !undone {
                return Ok(());
            }
            save(grading.judged())?;
            continue;
        };
        if shown.replace(current.message) != Some(current.message) {
            show(&current, grading.judged().len(), out)?;
        }
        let (place, replies) = (current.candidate + 1, current.judged.candidates.len());
        write!(
            out,
            "{place:>3}/{replies}  {}  ",
            printable_line(current.reply)
        )?;
        out.flush()?;
        let Some(key) = key()? else {
            writeln!(out)?;
            return Ok(());
        };
        let given = match key.to_ascii_lowercase() {
            '0' | 'n' => Grade::Bad,
            '1' | 'p' => Grade::Passable,
            '2' | 'g' => Grade::Good,
            's' => {
                writeln!(out, "–")?;
                grading.skip();
                continue;
            }
            'u' => {
                let undone = grading.undo();
                writeln!(out, "{}", if undone { "back" } else { "nothing to undo" })?;
                save(grading.judged())?;
                continue;
            }
            'q' => {
                writeln!(out)?;
                return Ok(());
            }
            _ => {
                writeln!(out, "\n{HELP}")?;
                continue;
            }
        };
        writeln!(out, "{}", u8::from(given))?;
        grading.grade(given);
        save(grading.judged())?;
    }
}

/// Shows the message that is answered, one of `all`.
fn show(current: &Current<'_>, all: usize, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "\nmessage {} of {all}", current.message + 1)?;
    for turn in &current.judged.context {
        writeln!(out, "  ({})", printable_line(turn))?;
    }
    writeln!(out, "  {}", printable_line(&current.judged.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use homer::JudgedReply;

    fn judged() -> Vec<Judged> {
        let message = |text: &str, replies: &[&str]| Judged {
            message: text.into(),
            context: vec![],
            candidates: replies
                .iter()
                .map(|reply| JudgedReply {
                    reply: (*reply).into(),
                    answered: None,
                    score: None,
                    grade: None,
                    logit: None,
                })
                .collect(),
        };
        vec![
            message("Well?", &["Hm.", "No.", "Hm."]),
            message("\u{1b}[2JWhy?", &["Boats.", "\u{7}Moose."]),
        ]
    }

    /// What is graded, saved and shown when these keys are pressed.
    fn press(judged: Vec<Judged>, keys: &str) -> (Grading, Vec<Vec<Judged>>, String) {
        let mut grading = Grading::new(judged);
        let mut keys = keys.chars();
        let (mut saved, mut out) = (Vec::new(), Vec::new());
        let save = |judged: &[Judged]| {
            saved.push(judged.to_vec());
            Ok(())
        };
        grade(&mut grading, || Ok(keys.next()), &mut out, save).unwrap();
        (grading, saved, String::from_utf8(out).unwrap())
    }

    fn grades(judged: &[Judged]) -> Vec<Vec<Option<u8>>> {
        let of = |one: &Judged| {
            let candidates = one.candidates.iter();
            candidates.map(|one| one.grade.map(u8::from)).collect()
        };
        judged.iter().map(of).collect()
    }

    #[test]
    fn a_key_a_grade_and_each_is_saved() {
        let (grading, saved, shown) = press(judged(), "gn1P");
        assert_eq!(
            grades(grading.judged()),
            [vec![Some(2), Some(0), Some(2)], vec![Some(1), Some(1)]]
        );
        assert_eq!(saved.len(), 4);
        assert_eq!(grades(&saved[0])[0], [Some(2), None, Some(2)]);
        assert_eq!(saved[3], grading.judged());
        assert!(!shown.contains(['\u{1b}', '\u{7}']), "{shown:?}");
        assert!(shown.contains("\\u{1b}[2JWhy?") && shown.contains("message 2 of 2"));
    }

    #[test]
    fn the_very_last_grade_can_be_taken_back() {
        let (grading, saved, _) = press(judged(), "gn1pu2");
        assert_eq!(grades(grading.judged())[1], [Some(1), Some(2)]);
        assert_eq!(grades(&saved[4])[1], [Some(1), None]);
    }

    #[test]
    fn undo_skip_and_quit_leave_what_the_next_day_goes_on_with() {
        let (grading, saved, shown) = press(judged(), "u2u1x0sq2");
        assert!(shown.contains("nothing to undo"), "{shown}");
        // The key that means nothing shows what keys mean.
        assert_eq!(shown.matches("quit and save").count(), 2);
        assert_eq!(
            grades(grading.judged()),
            [vec![Some(1), Some(0), Some(1)], vec![None, None]]
        );
        let last = saved.last().unwrap().clone();
        assert_eq!(last, grading.judged());

        let (later, _, shown) = press(last, "2");
        assert!(!shown.contains("Hm."), "{shown}");
        assert_eq!(grades(later.judged())[1], [Some(2), None]);
        assert_eq!(later.count(), (5, 4));
    }
}
