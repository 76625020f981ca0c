//! One thin file per subcommand: its arguments, one call into the library, what it prints.
#![warn(clippy::indexing_slicing, clippy::string_slice)]

mod ask;
mod build_index;
mod completions;
mod distill;
mod eval;
mod eval_judged;
mod explain;
mod judge;
mod lines;
mod man;
mod persona;
mod prepare;
mod progress;
mod remedy;
mod repl;
mod repl_command;
#[cfg(feature = "serve")]
mod serve;
mod shrink;
mod signals;
mod status;
mod store;
mod train_bi;
mod train_cross;
mod training;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use indicatif::HumanCount;
use tracing_subscriber::EnvFilter;

use homer::{Error, Project, Remedy, at_most};

/// Turn a dialogue script into a character you can talk to.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// Work in this folder, so that one person can keep several personas
    #[arg(
        short = 'C',
        long,
        value_name = "DIR",
        default_value = ".",
        global = true,
        hide_default_value = true
    )]
    pub(super) directory: PathBuf,
}

impl Global {
    /// The project that the command works on.
    pub(crate) fn project(&self) -> Project {
        Project::new(&self.directory)
    }

    /// How a command is called for the same folder, to be copied into a shell.
    pub(crate) fn command(&self, command: &str) -> String {
        match self.directory.to_str() {
            Some(".") => format!("homer {command}"),
            _ => format!("homer -C {} {command}", quoted(&self.directory)),
        }
    }

    /// Whether there is such a folder; `prepare` makes it.
    fn check(&self, makes_it: bool) -> anyhow::Result<()> {
        let folder = &self.directory;
        if folder.is_dir() || (makes_it && !folder.exists()) {
            return Ok(());
        }
        let what = if folder.exists() {
            "is not a folder"
        } else {
            "is not there"
        };
        anyhow::bail!("-C {}: {what}", folder.display())
    }
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%~".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[derive(Subcommand)]
enum Command {
    Prepare(prepare::Args),
    TrainBi(train_bi::Args),
    TrainCross(train_cross::Args),
    BuildIndex(build_index::Args),
    Ask(ask::Args),
    Repl(repl::Args),
    #[cfg(feature = "serve")]
    Serve(serve::Args),
    Eval(eval::Args),
    Judge(judge::Args),
    Status(status::Args),
    Distill(distill::Args),
    Shrink(shrink::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Parses, runs, and says what went wrong.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_env("HOMER_LOG").unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(false)
        .with_ansi(console::colors_enabled_stderr())
        .init();
    let outcome = match &cli.command {
        Command::Distill(_) | Command::Completions(_) | Command::Man(_) => Ok(()),
        Command::Prepare(_) => cli.global.check(true),
        _ => cli.global.check(false),
    };
    if outcome.is_ok() && !matches!(cli.command, Command::Completions(_) | Command::Man(_)) {
        cli.global.project().sweep();
    }
    let outcome = outcome.and_then(|()| match cli.command {
        Command::Prepare(args) => prepare::run(args, &cli.global),
        Command::TrainBi(args) => train_bi::run(&args, &cli.global),
        Command::TrainCross(args) => train_cross::run(&args, &cli.global),
        Command::BuildIndex(args) => build_index::run(args, &cli.global),
        Command::Ask(args) => ask::run(args, &cli.global),
        Command::Repl(args) => repl::run(args, &cli.global),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(args, &cli.global),
        Command::Eval(args) => eval::run(args, &cli.global),
        Command::Judge(args) => judge::run(args, &cli.global),
        Command::Status(args) => status::run(&args, &cli.global),
        Command::Distill(args) => distill::run(args, &cli.global),
        Command::Shrink(args) => shrink::run(&args, &cli.global),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(usage) = error.downcast_ref::<clap::Error>() {
                usage.exit();
            }
            let known = error.downcast_ref::<Error>();
            if matches!(known, Some(Error::Interrupted { .. })) {
                signals::say(&format!("homer: {error}"));
                return signals::exit_code();
            }
            signals::say(&format!("homer: {}", bounded(&format!("{error:#}"))));
            let remedy = known.map(Error::remedy).unwrap_or_default();
            if remedy != Remedy::None {
                let remedy = remedy::render(&remedy, &cli.global);
                signals::say(&format!("  {}", bounded(&remedy)));
            }
            ExitCode::FAILURE
        }
    }
}

/// Characters of an error that are shown, at most: what a file holds may be in it.
const LONGEST: usize = 2000;

/// The beginning of a text, and how much of it is left out.
fn bounded(text: &str) -> Cow<'_, str> {
    let shown = at_most(text, LONGEST);
    match text
        .get(shown.len()..)
        .map_or(0, |rest| rest.chars().count())
    {
        0 => shown.into(),
        more => format!("{shown}… and {} characters more", HumanCount(more as u64)).into(),
    }
}

/// Wrong usage that only shows when the command runs: exit code 2, like clap's own.
fn usage_error(message: &str) -> anyhow::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{message}\n")).into()
}

/// A reader that went away (`homer … | head`) is no error.
fn closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_never_longer_than_a_page() {
        assert_eq!(bounded("short"), "short");
        let long = "é".repeat(9_000_000);
        let shown = bounded(&long);
        assert!(shown.chars().count() < 2100, "{}", shown.len());
        assert!(shown.ends_with("é… and 8,998,000 characters more"));
    }
}
