//! What the contract promises, and when a run fails for it.

use std::fmt;

use serde::Serialize;

/// What a bound is on, which decides how strictly `--check` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Time on a machine that may be busy with something else: fails at five times the bound.
    Deadline,
    /// A ratio of two times of one run: fails at twice the bound.
    Ratio,
    /// A ratio of counted instructions, in which only the threads' waking varies: fails a quarter above the bound.
    Instructions,
    /// Memory does not depend on the machine: fails at the bound.
    Memory,
}

/// A promise.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Bound {
    limit: f64,
    kind: Kind,
}

impl Bound {
    pub(crate) const fn deadline(limit: f64) -> Self {
        Self { limit, kind: Kind::Deadline }
    }

    pub(crate) const fn ratio(limit: f64) -> Self {
        Self { limit, kind: Kind::Ratio }
    }

    pub(crate) const fn instructions(limit: f64) -> Self {
        Self { limit, kind: Kind::Instructions }
    }

    pub(crate) const fn memory(limit: f64) -> Self {
        Self { limit, kind: Kind::Memory }
    }

    /// Whether the promise is kept.
    pub(crate) fn is_met(self, value: f64) -> bool {
        value <= self.limit
    }

    /// Whether `--check` fails.
    pub(crate) fn fails(self, value: f64) -> bool {
        let slack = match self.kind {
            Kind::Deadline => 5.0,
            Kind::Ratio => 2.0,
            Kind::Instructions => 1.25,
            Kind::Memory => 1.0,
        };
        value > self.limit * slack
    }

    /// The value that is promised not to be passed.
    pub(crate) fn limit(self) -> f64 {
        self.limit
    }
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    /// Requests per second.
    #[serde(rename = "1/s")]
    PerSecond,
    /// Microseconds.
    #[serde(rename = "us")]
    Micros,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Millis,
    /// Millions of bytes.
    #[serde(rename = "MB")]
    Megabytes,
    /// A ratio.
    #[serde(rename = "x")]
    Times,
    /// A number of things.
    #[serde(rename = "")]
    Count,
}

impl Unit {
    /// The number as the report shows it.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Micros if value.abs() >= 10_000.0 => format!("{:.1} ms", value / 1_000.0),
            Self::Micros => format!("{value:.1} µs"),
            Self::Millis => format!("{value:.2} ms"),
            Self::Megabytes => format!("{value:.1} MB"),
            Self::Times => format!("{value:.2}×"),
            Self::Count => format!("{value:.0}"),
        }
    }
}

/// One number about the daemon, with its promise if there is one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) value: f64,
    pub(crate) bound: Option<Bound>,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, unit: Unit, value: f64, bound: Option<Bound>) -> Self {
        Self { name: name.into(), unit, value, bound }
    }

    /// `ok` or `over`; empty where nothing is promised.
    pub(crate) fn verdict(&self) -> &'static str {
        match self.bound {
            None => "",
            Some(bound) if bound.is_met(self.value) => "ok",
            Some(_) => "over",
        }
    }

    /// Whether `--check` fails for this row.
    pub(crate) fn fails(&self) -> bool {
        self.bound.is_some_and(|bound| bound.fails(self.value))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.unit.show(self.value))?;
        match self.bound {
            Some(bound) => write!(f, ", the bound is {}", self.unit.show(bound.limit())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_bound_has_its_slack() {
        let row = |bound, value| Row::new("x", Unit::Millis, value, Some(bound));
        let bounds = [
            (Bound::deadline(10.0), 5.0),
            (Bound::ratio(10.0), 2.0),
            (Bound::instructions(10.0), 1.25),
            (Bound::memory(10.0), 1.0),
        ];
        for (bound, slack) in bounds {
            assert_eq!((row(bound, 10.0).verdict(), row(bound, 10.5).verdict()), ("ok", "over"));
            assert!(!row(bound, 10.0 * slack).fails() && row(bound, 10.0 * slack + 0.1).fails());
        }
        assert!(!Row::new("x", Unit::Millis, 1e9, None).fails());
        assert_eq!(row(Bound::memory(2.0), 3.0).to_string(), "x: 3.00 ms, the bound is 2.00 ms");
    }
}
