//! `homer repl`.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::path::Path;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::{Editor, Helper, Validator};

use homer::{Answer, Choice, Conversation, LONGEST, Persona, at_most, one_line};

use super::Global;
use super::explain::explain;
use super::lines::Lines;
use super::persona::{NO_ANSWER, PersonaArgs, make_your_own, who};
use super::repl_command::{self, COMMANDS, Command};

/// Talk with the character
///
/// Every question is read together with the answer before it, and nothing that was said comes twice.
/// `:help` lists what else can be done. When standard input is not a terminal, every line is a question
/// and every answer a line.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  homer repl
  homer repl --temperature 0.5 --seed 7
  homer -C moe repl < questions.txt")]
pub(super) struct Args {
    #[command(flatten)]
    persona: PersonaArgs,
}

pub(super) fn run(args: Args, global: &Global) -> anyhow::Result<()> {
    let persona = args.persona.load(global)?;
    let session = Session::new(&persona, args.persona.choice());
    if persona.built_in {
        eprintln!("{}, is listening {}.", who(&persona), make_your_own(global));
    } else {
        eprintln!("{} is listening.", who(&persona));
    }
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        at_terminal(session, &global.project().runs().join(".repl_history"))
    } else {
        line_by_line(session)
    }
}

/// A conversation that goes on.
struct Session<'a> {
    persona: &'a Persona,
    choice: Choice,
    conversation: Conversation,
    last: Option<Answer>,
}

/// What a line leads to.
enum Response {
    /// The character speaks.
    Answer(String),
    /// homer says something about the conversation.
    Note(String),
    /// There was nothing on the line.
    Nothing,
    /// The conversation is over.
    Quit,
}

impl<'a> Session<'a> {
    fn new(persona: &'a Persona, choice: Choice) -> Self {
        Self {
            persona,
            choice,
            conversation: Conversation::default(),
            last: None,
        }
    }

    fn handle(&mut self, line: &str) -> homer::Result<Response> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(Response::Nothing);
        }
        if !line.starts_with(':') {
            return self.answer(line).map(Response::Answer);
        }
        Ok(match repl_command::parse(line) {
            Ok(Command::Quit) => Response::Quit,
            Ok(command) => Response::Note(self.obey(command)),
            Err(what) => Response::Note(what),
        })
    }

    fn answer(&mut self, question: &str) -> homer::Result<String> {
        // Every question draws anew, and a conversation is drawn alike when it is held again.
        let turn = self.conversation.len() as u64;
        let choice = Choice {
            seed: self.choice.seed.wrapping_add(turn),
            ..self.choice.clone()
        };
        let answer = self.conversation.answer(self.persona, question, &choice)?;
        let text = one_line(answer.text().unwrap_or(NO_ANSWER));
        self.last = Some(answer);
        Ok(text)
    }

    /// Does what a command says; the note for the user.
    fn obey(&mut self, command: Command) -> String {
        match command {
            Command::Help => repl_command::help(),
            Command::Why => match &self.last {
                Some(answer) => explain(answer),
                None => "nothing was answered yet".into(),
            },
            Command::Clear => {
                self.conversation.clear();
                self.last = None;
                "the conversation is forgotten".into()
            }
            Command::Top(n) => {
                self.choice.top_k = n;
                format!("{n} replies are considered")
            }
            Command::Temperature(t) => {
                self.choice.temperature = t;
                format!("the temperature is {t}")
            }
            Command::Seed(seed) => {
                self.choice.seed = seed;
                format!("the seed is {seed}")
            }
            Command::Save(_) if self.conversation.is_empty() => "nothing was said yet".into(),
            Command::Save(path) => match self.conversation.save(&path, &self.persona.character) {
                Ok(()) => format!("saved to {}", path.display()),
                Err(error) => format!("{:#}", anyhow::Error::new(error)),
            },
            Command::Quit => String::new(),
        }
    }
}

/// No prompt: answers on standard output, one a line, and the rest on standard error.
fn line_by_line(mut session: Session<'_>) -> anyhow::Result<()> {
    let mut input = Lines::open(Path::new("-"))?;
    let mut out = std::io::stdout().lock();
    while let Some(line) = input.next()? {
        match session.handle(&line)? {
            Response::Answer(text) => writeln!(out, "{text}")?,
            Response::Note(text) => eprintln!("{text}"),
            // Lines keep their numbers.
            Response::Nothing => writeln!(out)?,
            Response::Quit => break,
        }
    }
    Ok(())
}

/// With history, hints and completion of commands.
fn at_terminal(mut session: Session<'_>, history: &Path) -> anyhow::Result<()> {
    let paint = Paint::detect();
    let character = session.persona.character.clone();
    let speaker = paint.wrap("1;33", &format!("{character}:"));
    let prompt = (PROMPT.to_owned(), paint.wrap("1;36", PROMPT));
    let mut editor: Editor<Hints, DefaultHistory> = Editor::new()?;
    editor.set_helper(Some(Hints(paint)));
    // There is none the first time, and a conversation needs none.
    let _ = editor.load_history(history);
    eprintln!("`:help` shows what else you can do, Ctrl-D leaves.");
    loop {
        let line = match editor.readline(&prompt) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        };
        match session.handle(at_most(&line, LONGEST))? {
            Response::Answer(text) => writeln!(std::io::stdout(), "{speaker} {text}")?,
            Response::Note(text) => eprintln!("{text}"),
            Response::Nothing => continue,
            Response::Quit => break,
        }
        editor.add_history_entry(line.trim())?;
    }
    // Where nothing was trained there is no place for a history, and talking makes none.
    if !history.parent().is_some_and(Path::is_dir) {
        return Ok(());
    }
    if let Err(error) = editor.append_history(history) {
        eprintln!(
            "homer: the history was not kept in {}: {error}",
            history.display()
        );
    }
    Ok(())
}

const PROMPT: &str = "you> ";

/// Colours, or none.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    /// None where `NO_COLOR` is set or the terminal has no colours.
    fn detect() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self(set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb"))
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Shows how a command goes on; Tab writes it.
#[derive(Helper, Validator)]
struct Hints(Paint);

impl Hinter for Hints {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, _: &rustyline::Context<'_>) -> Option<String> {
        if line.len() < 2 || pos < line.len() {
            return None;
        }
        let (name, argument, _) = COMMANDS.iter().find(|(name, ..)| name.starts_with(line))?;
        let rest = format!("{} {argument}", name.strip_prefix(line)?);
        Some(rest.trim_end().to_owned()).filter(|rest| !rest.is_empty())
    }
}

impl Completer for Hints {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..pos).unwrap_or_default();
        let names = COMMANDS.iter().map(|(name, ..)| *name);
        let names = names.filter(|name| !typed.is_empty() && name.starts_with(typed));
        Ok((0, names.map(str::to_owned).collect()))
    }
}

impl Highlighter for Hints {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(self.0.wrap("2", hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use homer::{Entry, Query, Result, Retrieve};

    /// Says how many turns of context it got, then other lines.
    struct Counting;

    impl Retrieve for Counting {
        fn retrieve(&self, query: Query<'_>, count: usize) -> Result<Vec<(Entry, f32)>> {
            let entry = |text: String| Entry {
                text,
                ..Entry::default()
            };
            let first = entry(format!("After {} turns.", query.context.len()));
            let others = (0..).map(|i| entry(format!("Line {i}.")));
            let all = std::iter::once(first).chain(others);
            Ok(all.take(count).map(|entry| (entry, 0.5)).collect())
        }
    }

    /// Always has the same lines.
    struct Parrot;

    impl Retrieve for Parrot {
        fn retrieve(&self, _: Query<'_>, count: usize) -> Result<Vec<(Entry, f32)>> {
            let entry = |i| Entry {
                text: format!("Line {i}."),
                ..Entry::default()
            };
            Ok((0..count).map(|i| (entry(i), 0.5)).collect())
        }
    }

    fn said(session: &mut Session<'_>, line: &str) -> String {
        match session.handle(line).unwrap() {
            Response::Answer(text) | Response::Note(text) => text,
            Response::Nothing => "nothing".into(),
            Response::Quit => "quit".into(),
        }
    }

    #[test]
    fn the_conversation_grows_and_is_forgotten_when_asked() {
        let persona = Persona::new("Rufus", Counting);
        let mut session = Session::new(&persona, Choice::default());
        for turns in [0, 2, 4] {
            assert_eq!(
                said(&mut session, "Hello?"),
                format!("After {turns} turns.")
            );
        }
        said(&mut session, ":clear");
        assert_eq!(said(&mut session, ":why"), "nothing was answered yet");
        assert_eq!(said(&mut session, "Hello?"), "After 0 turns.");
    }

    #[test]
    fn nothing_is_said_twice_however_long_it_was_ago() {
        let persona = Persona::new("Rufus", Parrot);
        let mut session = Session::new(&persona, Choice::default());
        for line in 0..9 {
            assert_eq!(said(&mut session, "Hello?"), format!("Line {line}."));
        }
        assert_eq!(said(&mut session, "Line 10!"), "Line 9.");
        assert_eq!(said(&mut session, "Hello?"), "Line 11.");
    }

    #[test]
    fn commands_change_how_the_next_answer_is_chosen() {
        let persona = Persona::new("Rufus", Counting);
        let mut session = Session::new(&persona, Choice::default());
        said(&mut session, "Hello?");
        assert_eq!(said(&mut session, ":why").lines().count(), 11);
        said(&mut session, ":top 3");
        said(&mut session, "Hello?");
        assert_eq!(said(&mut session, ":why").lines().count(), 4);
        said(&mut session, ":temperature 1");
        said(&mut session, ":seed 5");
        assert_eq!(session.choice.temperature, 1.0);
        assert_eq!(session.choice.seed, 5);
        assert_eq!(said(&mut session, "  \t "), "nothing");
        assert!(said(&mut session, ":nonsense").contains(":help"));
        assert_eq!(said(&mut session, ":quit"), "quit");
    }

    #[test]
    fn a_hint_shows_the_rest_of_a_command_and_its_argument() {
        let history = DefaultHistory::new();
        let context = rustyline::Context::new(&history);
        let hints = Hints(Paint(false));
        let hint = |line: &str| hints.hint(line, line.len(), &context);
        assert_eq!(hint(":te").as_deref(), Some("mperature T"));
        assert_eq!(hint(":top").as_deref(), Some(" N"));
        assert_eq!(hint(":quit"), None);
        assert_eq!(hint("hello"), None);
        let (start, found) = hints.complete(":c", 2, &context).unwrap();
        assert_eq!((start, found.len()), (0, 1));
    }
}
