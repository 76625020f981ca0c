//! The commands of the repl: what there is, and what was meant.

use std::path::PathBuf;

use super::persona::temperature;

/// Something else than a question.
#[derive(Debug, PartialEq)]
pub(super) enum Command {
    Help,
    Why,
    Clear,
    Top(usize),
    Temperature(f32),
    Seed(u64),
    Save(PathBuf),
    Quit,
}

/// Name, argument and meaning of every command.
pub(super) const COMMANDS: [(&str, &str, &str); 8] = [
    (":help", "", "show this"),
    (":why", "", "show how the last answer was chosen"),
    (":clear", "", "forget the conversation"),
    (":top", "N", "consider N replies"),
    (
        ":temperature",
        "T",
        "0 takes the best answer, 1 draws from the ten best",
    ),
    (":seed", "N", "seed of the draw"),
    (":save", "FILE", "write the conversation to a new text file"),
    (":quit", "", "leave (or Ctrl-D)"),
];

/// What a line that starts with a colon asks for; a name may be cut short while it is clear. The
/// error is for the user.
pub(super) fn parse(line: &str) -> Result<Command, String> {
    let (given, argument) = line
        .split_once(char::is_whitespace)
        .map_or((line, ""), |(name, rest)| (name, rest.trim()));
    let name = resolve(&given.to_lowercase())?;
    let number = |what: &str| format!("{name} takes {what}, not {argument:?}");
    match name {
        ":top" => match argument.parse() {
            Ok(n) if (1..=u32::MAX as usize).contains(&n) => Ok(Command::Top(n)),
            _ => Err(number("a whole number from 1")),
        },
        ":temperature" => temperature(argument)
            .map(Command::Temperature)
            .map_err(|_| number("a number from 0")),
        ":seed" => argument
            .parse()
            .map(Command::Seed)
            .map_err(|_| number("a whole number")),
        ":save" if argument.is_empty() => Err(":save takes the name of a file".into()),
        ":save" => Ok(Command::Save(argument.into())),
        _ if !argument.is_empty() => Err(format!("{name} takes nothing, not {argument:?}")),
        ":help" => Ok(Command::Help),
        ":why" => Ok(Command::Why),
        ":clear" => Ok(Command::Clear),
        _ => Ok(Command::Quit),
    }
}

/// The full name of a command.
fn resolve(given: &str) -> Result<&'static str, String> {
    let names = || COMMANDS.iter().map(|(name, ..)| *name);
    if let Some(name) = names().find(|name| *name == given) {
        return Ok(name);
    }
    let starting: Vec<&str> = names().filter(|name| name.starts_with(given)).collect();
    match starting[..] {
        [name] if given.len() > 1 => return Ok(name),
        [_, _, ..] if given.len() > 1 => {
            return Err(format!("{given} could be {}", starting.join(" or ")));
        }
        _ => {}
    }
    let nearest = names()
        .map(|name| (strsim::damerau_levenshtein(name, given), name))
        .min()
        .filter(|(distance, _)| *distance <= 2 && distance * 2 < given.len());
    Err(match nearest {
        Some((_, name)) => format!("there is no command {given}: did you mean {name}?"),
        None => format!("there is no command {given}; `:help` lists them all"),
    })
}

/// The commands, a line each.
pub(super) fn help() -> String {
    let line = |(name, argument, meaning): &(&str, &str, &str)| {
        format!("  {:<16} {meaning}", format!("{name} {argument}"))
    };
    let lines: Vec<String> = COMMANDS.iter().map(line).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_understood() {
        assert_eq!(parse(":help"), Ok(Command::Help));
        assert_eq!(parse(":WHY "), Ok(Command::Why));
        assert_eq!(parse(":clear"), Ok(Command::Clear));
        assert_eq!(parse(":top 5"), Ok(Command::Top(5)));
        assert_eq!(parse(":temperature 0.7"), Ok(Command::Temperature(0.7)));
        assert_eq!(parse(":seed  12"), Ok(Command::Seed(12)));
        assert_eq!(
            parse(":save my talk.txt"),
            Ok(Command::Save("my talk.txt".into()))
        );
        assert_eq!(parse(":quit"), Ok(Command::Quit));
        assert_eq!(parse(":q"), Ok(Command::Quit));
        assert!(COMMANDS.iter().all(|(name, ..)| help().contains(name)));
    }

    #[test]
    fn what_is_not_understood_is_explained() {
        let said = |line: &str| parse(line).unwrap_err();
        assert!(said(":hlep").contains("did you mean :help?"));
        for line in [":dance", ":foo", ":x"] {
            assert!(said(line).contains(&format!("no command {line}; `:help`")));
        }
        assert!(said(":").contains(":help"));
        assert!(said(":t 3").contains(":top or :temperature"));
        assert!(said(":top").contains("a whole number from 1"));
        assert!(said(":top 0").contains("a whole number from 1"));
        assert!(said(":temperature -1").contains("from 0"));
        assert!(said(":temperature NaN").contains("from 0"));
        assert!(said(":save").contains("file"));
        assert!(said(":quit now").contains("takes nothing"));
    }
}
