//! One thin file per subcommand: its arguments, one call into the library, what it prints.

mod ask;
mod build_index;
mod completions;
mod distill;
mod eval;
mod explain;
mod man;
mod persona;
mod prepare;
mod progress;
mod repl;
mod repl_command;
mod train_bi;
mod train_cross;
mod training;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use homer::project::Project;

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
#[derive(Args)]
pub struct Global {
    /// Work in this folder, so that one person can keep several personas
    #[arg(
        short = 'C',
        long,
        value_name = "DIR",
        default_value = ".",
        global = true,
        hide_default_value = true
    )]
    directory: PathBuf,
}

impl Global {
    /// The project that the command works on.
    pub fn project(&self) -> Project {
        Project::new(&self.directory)
    }
}

#[derive(Subcommand)]
enum Command {
    Prepare(prepare::Args),
    TrainBi(train_bi::Args),
    TrainCross(train_cross::Args),
    BuildIndex(build_index::Args),
    Ask(ask::Args),
    Repl(repl::Args),
    Eval(eval::Args),
    Distill(distill::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Parses, runs, and says what went wrong.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome: anyhow::Result<()> = match cli.command {
        Command::Prepare(args) => prepare::run(args, &cli.global),
        Command::TrainBi(args) => train_bi::run(&args, &cli.global),
        Command::TrainCross(args) => train_cross::run(&args, &cli.global),
        Command::BuildIndex(args) => build_index::run(args, &cli.global),
        Command::Ask(args) => ask::run(args, &cli.global),
        Command::Repl(args) => repl::run(args, &cli.global),
        Command::Eval(args) => eval::run(args, &cli.global),
        Command::Distill(args) => distill::run(&args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(usage) = error.downcast_ref::<clap::Error>() {
                usage.exit();
            }
            eprintln!("homer: {error:#}");
            ExitCode::FAILURE
        }
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
