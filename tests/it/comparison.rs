//! The script that measures homer on a card, where there is none: small, and on the CPU.

use std::process::Command;

use serde::Deserialize;

use crate::home::Home;

#[derive(Deserialize)]
struct Report {
    card: String,
    rows: Vec<Row>,
    checks: Vec<Check>,
}

#[derive(Debug, Deserialize)]
struct Row {
    name: String,
    sides: std::collections::BTreeMap<String, Side>,
}

#[derive(Debug, Deserialize)]
struct Side {
    values: Vec<f64>,
}

#[derive(Debug, Deserialize)]
struct Check {
    met: bool,
}

#[test]
#[ignore = "needs a Python with torch and sentence-transformers, which PYTHON names"]
fn the_comparison_runs_where_there_is_no_card() {
    let home = Home::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/gpu/run.sh");
    let ended = Command::new(script)
        .args(["--homer", env!("CARGO_BIN_EXE_homer")])
        .args(["--device", "cpu", "--quick", "--json"])
        .arg(home.path("report.json"))
        .status()
        .unwrap();
    assert!(ended.success());
    let report: Report = home.json("report.json");
    assert!(report.card.contains("CPU"), "{}", report.card);
    assert_eq!(report.checks.len(), 3);
    assert!(
        report.checks.iter().all(|check| check.met),
        "{:?}",
        report.checks
    );
    for row in &report.rows {
        for (side, one) in &row.sides {
            let measured = one
                .values
                .iter()
                .all(|value| value.is_finite() && *value > 0.0);
            assert!(measured && !one.values.is_empty(), "{side}: {row:?}");
        }
    }
    for (name, sides) in [("train-bi", 2), ("train-cross", 2), ("an answer, warm", 1)] {
        let row = report.rows.iter().find(|row| row.name == name);
        assert_eq!(row.map(|row| row.sides.len()), Some(sides), "{name}");
    }
}
