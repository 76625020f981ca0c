//! `homer completions`.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;

/// Write a shell's completion script to standard output
#[derive(clap::Args)]
#[command(after_help = "Examples:
  homer completions bash > ~/.local/share/bash-completion/completions/homer
  homer completions fish > ~/.config/fish/completions/homer.fish")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "homer", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(())
}
