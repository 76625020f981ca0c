//! One thin file per subcommand: its arguments, one call into the library, what it prints.

mod prepare;
mod progress;

use std::path::PathBuf;
use std::process::ExitCode;

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
}

/// Parses, runs, and says what went wrong.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome: anyhow::Result<()> = match cli.command {
        Command::Prepare(args) => prepare::run(args, &cli.global),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("homer: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A reader that went away (`homer … | head`) is no error.
fn closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
