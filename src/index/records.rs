//! A reply as a record of `replies.csv`, and back.

use super::{Entry, Origin};
use crate::dialogue::Turn;
use crate::text::printable::printable_lines;

/// The header row. `exchange`, `scene`, `query_speaker`, `query` and `context` (a turn a line) are
/// of the first exchange that the reply answers and empty where it answers nobody; `exchanges` are
/// the ids of all, with spaces between.
pub(crate) const COLUMNS: [&str; 7] = [
    "text",
    "exchange",
    "scene",
    "query_speaker",
    "query",
    "context",
    "exchanges",
];

/// The cells of an entry, in the order of [`COLUMNS`].
pub(crate) fn cells(entry: &Entry) -> [String; COLUMNS.len()] {
    let origin = entry.origin.as_ref();
    let cell = |of: &dyn Fn(&Origin) -> String| origin.map(of).unwrap_or_default();
    let ids: Vec<String> = entry.exchanges.iter().map(usize::to_string).collect();
    [
        entry.text.clone(),
        cell(&|origin| origin.exchange.to_string()),
        cell(&|origin| origin.scene.to_string()),
        cell(&|origin| origin.query.speaker.clone()),
        cell(&|origin| origin.query.text.clone()),
        cell(&|origin| origin.context.join("\n")),
        ids.join(" "),
    ]
}

/// A record as it stands in the file.
///
/// # Errors
/// Never, as far as one knows: it is written to memory.
pub(crate) fn line(cells: &[impl AsRef<[u8]>]) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record(cells)?;
    writer.into_inner().map_err(|error| error.into_error())
}

/// One record, with nothing before or behind it.
///
/// # Errors
/// It is no record of the [`COLUMNS`]; what is wrong, in words.
pub(crate) fn parse(bytes: &[u8]) -> Result<Entry, String> {
    let mut entries = parse_all(bytes)?;
    match (entries.pop(), entries.pop()) {
        (Some(entry), None) => Ok(entry),
        (None, _) => Err("nothing there".into()),
        (Some(_), Some(_)) => Err("more than one record".into()),
    }
}

/// Records that stand end to end. (A reader of its own for each would take longer than all else.)
///
/// # Errors
/// One is no record of the [`COLUMNS`]; what is wrong, in words.
pub(crate) fn parse_all(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes);
    let entry = |record: Result<csv::StringRecord, csv::Error>| {
        record
            .map_err(|error| error.to_string())
            .and_then(|record| entry(&record))
    };
    reader.records().map(entry).collect()
}

fn entry(record: &csv::StringRecord) -> Result<Entry, String> {
    let cells: [&str; COLUMNS.len()] =
        record
            .iter()
            .collect::<Vec<_>>()
            .try_into()
            .map_err(|cells: Vec<_>| {
                format!("{} columns, where {} belong", cells.len(), COLUMNS.len())
            })?;
    // The index may be a stranger's, and what is in it comes to a terminal.
    let [text, exchange, scene, speaker, query, context, exchanges] = cells;
    let [text, speaker, query, context] = [text, speaker, query, context].map(printable_lines);
    let number = |cell: &str| {
        let parsed = cell.parse::<usize>();
        parsed.map_err(|_| format!("{cell:?}, where a number belongs"))
    };
    let origin = || {
        Ok::<_, String>(Origin {
            exchange: number(exchange)?,
            scene: number(scene)?,
            query: Turn {
                speaker: speaker.clone(),
                text: query.clone(),
            },
            context: context.lines().map(str::to_owned).collect(),
        })
    };
    Ok(Entry {
        text,
        origin: if exchange.is_empty() {
            None
        } else {
            Some(origin()?)
        },
        exchanges: exchanges
            .split_whitespace()
            .map(number)
            .collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_whatever_is_said_in_it() {
        let entry = Entry {
            text: "He said \"pie\", twice;\r\n and, well,\nmore.".into(),
            origin: Some(Origin {
                exchange: 12,
                scene: 3,
                query: Turn {
                    speaker: "Ada, the \"elder\"".into(),
                    text: " =What?\n".into(),
                },
                context: vec!["Ada: Listen.".into(), "Well, \"yes\".".into()],
            }),
            exchanges: vec![12, 40],
        };
        assert_eq!(parse(&line(&cells(&entry)).unwrap()).unwrap(), entry);
        let nobody = Entry {
            text: "Hm.".into(),
            ..Entry::default()
        };
        assert_eq!(line(&cells(&nobody)).unwrap(), b"Hm.,,,,,,\r\n");
        assert_eq!(parse(b"Hm.,,,,,,\r\n").unwrap(), nobody);
    }

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        let entry = parse(b"Hm\x1b[2J.,1,2,A\x07,Q\xe2\x80\xaeq,\xc2\x9bc,1\n").unwrap();
        let origin = entry.origin.unwrap();
        assert_eq!(entry.text, "Hm\\u{1b}[2J.");
        assert_eq!(origin.query.speaker, "A\\u{7}");
        assert_eq!(origin.query.text, "Q\\u{202e}q");
        assert_eq!(origin.context, ["\\u{9b}c"]);
    }

    #[test]
    fn what_is_no_record_is_said() {
        for (bytes, what) in [
            ("", "nothing"),
            ("Hm.,,,,,,\nNo.,,,,,,\n", "more than one"),
            ("Hm.,1,2\n", "3 columns"),
            ("Hm.,one,2,,,,1\n", "\"one\""),
            ("Hm.,1,2,,,,1 x\n", "\"x\""),
        ] {
            let error = parse(bytes.as_bytes()).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
        assert!(parse(b"\xff,,,,,,\n").unwrap_err().contains("UTF-8"));
    }
}
