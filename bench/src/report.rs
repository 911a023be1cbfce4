//! What is printed for people, written for programs, and checked.

use std::{
    io::{self, Write},
    path::Path,
};

use bitrouter_proto::files;
use serde::Serialize;

use crate::{
    bound::{Row, Unit},
    error::BenchError,
};

/// The paths that are compared, in the order of the columns.
pub(crate) const PATHS: [&str; 4] = ["direct", "relay", "bare proxy", "bitrouter"];

/// One thing on all paths: medians over the rounds, and medians of what was computed within each round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Compared {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) direct: Option<f64>,
    pub(crate) relay: f64,
    pub(crate) proxy: f64,
    pub(crate) daemon: f64,
    pub(crate) to_relay: f64,
    pub(crate) to_proxy: f64,
    pub(crate) over_direct: Option<f64>,
    pub(crate) over_relay: Option<f64>,
    pub(crate) over_proxy: Option<f64>,
}

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) compared: Vec<Compared>,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// The tables.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        if !self.compared.is_empty() {
            write!(out, "{:<50}", "")?;
            for title in PATHS.iter().chain(&["to relay", "to proxy", "added (direct)", "(relay)", "(proxy)"]) {
                write!(out, "{title:>15}")?;
            }
            writeln!(out)?;
        }
        for row in &self.compared {
            let shown = |value: Option<f64>, unit: Unit| value.map_or_else(String::new, |value| unit.show(value));
            let cells = [
                shown(row.direct, row.unit),
                row.unit.show(row.relay),
                row.unit.show(row.proxy),
                row.unit.show(row.daemon),
                Unit::Times.show(row.to_relay),
                Unit::Times.show(row.to_proxy),
                shown(row.over_direct, row.unit),
                shown(row.over_relay, row.unit),
                shown(row.over_proxy, row.unit),
            ];
            write!(out, "{:<50}", row.name)?;
            for cell in cells {
                write!(out, "{cell:>15}")?;
            }
            writeln!(out)?;
        }
        if !self.compared.is_empty() && !self.rows.is_empty() {
            writeln!(out)?;
        }
        for row in &self.rows {
            let bound = row.bound.map_or_else(String::new, |bound| format!("≤ {}", row.unit.show(bound.limit())));
            let line = format!("{:<56}{:>12}  {bound:<14}{}", row.name, row.unit.show(row.value), row.verdict());
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// Writes everything as JSON to `file`.
    pub(crate) fn save(&self, file: &Path) -> Result<(), BenchError> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| BenchError::Unexpected(error.to_string()))?;
        let parent = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| BenchError::Argument("`--json` needs the name of a file".to_owned()))?;
        let dir = std::fs::File::open(parent).map_err(BenchError::io("open the directory of `--json`"))?;
        Ok(files::replace(&dir.into(), name, &text, file)?)
    }

    /// The rows for which `--check` fails.
    pub(crate) fn failed(&self) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.fails()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bound::Bound;

    fn report() -> Report {
        let compared = Compared {
            name: "latency".to_owned(),
            unit: Unit::Micros,
            direct: Some(10.0),
            relay: 20.0,
            proxy: 30.0,
            daemon: 40.0,
            to_relay: 2.0,
            to_proxy: 1.33,
            over_direct: Some(30.0),
            over_relay: Some(20.0),
            over_proxy: None,
        };
        let row = |value| Row::new("idle", Unit::Megabytes, value, Some(Bound::memory(12.0)));
        Report { compared: vec![compared], rows: vec![row(11.0), row(12.5)] }
    }

    #[test]
    fn the_tables_show_every_number_and_every_verdict() {
        let mut out = Vec::new();
        report().print(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("bare proxy") && text.contains("40.0 µs") && text.contains("1.33×"), "{text}");
        assert!(text.contains("≤ 12.0 MB") && text.contains("ok\n") && text.contains("over\n"), "{text}");
        assert_eq!(report().failed().len(), 1);
    }

    #[test]
    fn the_json_replaces_the_file() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("out.json");
        report().save(&file).unwrap();
        report().save(&file).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(
            (&value["compared"][0]["unit"], &value["rows"][1]["bound"]["kind"]),
            (&"us".into(), &"memory".into())
        );
        assert!(report().save(Path::new("/")).is_err());
    }
}
