//! The command line: parse, dispatch, exit code.
#![warn(clippy::expect_used, clippy::unwrap_used)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
