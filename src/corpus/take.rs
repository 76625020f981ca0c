//! What tables and other files say, told line by line.

use super::columns::place;
use super::document::data;
use super::lines::Line;
use super::read::Source;
use super::scenes::{Builder, Manner};
use crate::error::{Remedy, Result, Setting};

/// Takes a table's rows: scenes end at empty rows (neither speaker nor text) and where a scene column
/// changes; a blank scene cell means no change.
///
/// # Errors
/// What [`Source::for_each_row`] returns; no row with both a speaker and words.
pub(super) fn take_rows(
    builder: &mut Builder,
    source: &Source,
    speaker: &str,
    text: &str,
    scenes: &[String],
) -> Result<()> {
    let speaker_at = place(source, speaker)?;
    let text_at = place(source, text)?;
    let scenes_at = scenes
        .iter()
        .map(|name| place(source, name))
        .collect::<Result<Vec<usize>>>()?;

    builder.end_scene();
    let mut said = false;
    let mut scene_now = vec![String::new(); scenes_at.len()];
    source.for_each_row(|row| {
        let mut new_scene = row.after_empty;
        for (now, &at) in scene_now.iter_mut().zip(&scenes_at) {
            let cell = row.cell(at).trim();
            if !cell.is_empty() && cell != now {
                new_scene = true;
                cell.clone_into(now);
            }
        }
        if new_scene {
            builder.end_scene();
        }
        let turn = builder.take(
            row.cell(speaker_at),
            row.cell(text_at),
            Manner::Script,
            None,
        );
        said |= turn.is_some();
        Ok(())
    })?;
    if said {
        return Ok(());
    }
    Err(data(
        source.path(),
        None,
        format!("no row has both a speaker (\"{speaker}\") and words (\"{text}\")"),
        Remedy::choose([Setting::SpeakerColumn, Setting::TextColumn]),
    ))
}

/// Takes the lines of a file.
pub(super) fn take_lines(builder: &mut Builder, lines: &[Line], manner: Manner) {
    builder.end_scene();
    let mut turns: Vec<Option<usize>> = Vec::with_capacity(lines.len());
    for line in lines {
        if line.begins_scene {
            builder.end_scene();
        }
        let quoted = line.answers.and_then(|at| turns.get(at).copied().flatten());
        turns.push(builder.take(&line.speaker, &line.text, manner, quoted));
    }
}
