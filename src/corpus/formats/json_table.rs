//! Tables in JSON: an array of records, or a record a line.

use csv::StringRecord;
use serde_json::{Map, Value};

/// The names of all keys, in order of appearance, and a row of cells for each record.
pub(super) type Table = (Vec<String>, Vec<StringRecord>);

/// The records of `text`; where the array is inside an object, of its first array of records.
pub(super) fn read(text: &str) -> serde_json::Result<Table> {
    let mut table = Builder::default();
    if text.trim_start().starts_with('[') {
        let all: Vec<Value> = serde_json::from_str(text)?;
        all.into_iter().for_each(|record| table.take(record));
        return Ok(table.finish());
    }
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        match value? {
            Value::Object(record) => match inner(&record) {
                Some(key) => {
                    let records = record.into_iter().find(|(name, _)| *name == key);
                    if let Some((_, Value::Array(records))) = records {
                        records.into_iter().for_each(|record| table.take(record));
                    }
                }
                None => table.take(Value::Object(record)),
            },
            other => table.take(other),
        }
    }
    Ok(table.finish())
}

/// The key of an array of records in an object that is no record itself.
fn inner(object: &Map<String, Value>) -> Option<String> {
    let records = |value: &Value| match value {
        Value::Array(items) => items.first().is_some_and(Value::is_object),
        _ => false,
    };
    let key = object.iter().find(|(_, value)| records(value));
    key.map(|(key, _)| key.clone())
}

#[derive(Default)]
struct Builder {
    header: Vec<String>,
    places: std::collections::HashMap<String, usize>,
    rows: Vec<StringRecord>,
}

/// Keys that are counted as columns: records with a key each are no table.
const COLUMNS: usize = 512;

impl Builder {
    fn take(&mut self, record: Value) {
        let Value::Object(record) = record else {
            return;
        };
        let mut cells = vec![String::new(); self.header.len()];
        for (key, value) in record {
            let new = self.header.len();
            if new >= COLUMNS && !self.places.contains_key(&key) {
                continue;
            }
            let place = *self.places.entry(key.clone()).or_insert(new);
            let value = cell(value);
            match cells.get_mut(place) {
                Some(cell) => *cell = value,
                None => {
                    self.header.push(key);
                    cells.push(value);
                }
            }
        }
        self.rows.push(StringRecord::from(cells));
    }

    fn finish(self) -> Table {
        (self.header, self.rows)
    }
}

fn cell(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        Value::Array(mut items) if matches!(items[..], [ref item] if !item.is_array()) => {
            items.pop().map_or_else(String::new, cell)
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_become_rows() {
        for text in [
            r#"[{"who": "Ada", "line": "Tea?", "n": 1}, {"who": ["Bo"], "line": null, "x": true}]"#,
            "{\"who\": \"Ada\", \"line\": \"Tea?\", \"n\": 1}\n{\"who\": \"Bo\", \"x\": true}\n",
            r#"{"title": "x", "rows": [{"who": "Ada", "line": "Tea?", "n": 1}, {"who": "Bo", "x": true}]}"#,
        ] {
            let (header, rows) = read(text).unwrap();
            assert_eq!(header, ["who", "line", "n", "x"]);
            assert_eq!(rows[0].iter().collect::<Vec<_>>(), ["Ada", "Tea?", "1"]);
            assert_eq!(rows[1].iter().collect::<Vec<_>>(), ["Bo", "", "", "true"]);
        }
        assert!(read("{\"who\": ").is_err());
    }
}
