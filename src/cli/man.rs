//! `homer man`.

use std::io::Write;

use clap::CommandFactory;

use super::{Cli, usage_error};

/// Write a manual page to standard output
#[derive(clap::Args)]
#[command(after_help = "Examples:
  homer man | man -l -
  homer man ask > homer-ask.1")]
pub(super) struct Args {
    /// The command that the page is about, else homer itself
    command: Option<String>,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let mut homer = Cli::command();
    homer.build();
    let page = match &args.command {
        None => homer,
        Some(name) => homer
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| usage_error(&format!("there is no command '{name}'")))?,
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text)?;
    std::io::stdout().lock().write_all(&text)?;
    Ok(())
}
