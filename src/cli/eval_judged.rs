//! `homer eval --judged`.

use std::io::Write;

use homer::Project;
use homer::project::{JudgedSettings, evaluate_judged};

use super::Global;
use super::progress::Display;

pub(super) fn run(
    project: &Project,
    settings: &JudgedSettings,
    json: bool,
    global: &Global,
) -> anyhow::Result<()> {
    let report = evaluate_judged(project, settings, &mut Display::new(global)?)?;
    // Printed before it is written: the figures took long, and the folder may be read-only.
    let mut out = std::io::stdout().lock();
    let printed = if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)
    } else {
        write!(out, "{report}")
    };
    let printed = printed.and_then(|()| out.flush());
    let path = report.write(project)?;
    printed?;
    for note in &report.notes {
        eprintln!("note: {note}");
    }
    eprintln!("wrote {}", path.display());
    Ok(())
}
