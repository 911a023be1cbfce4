//! The command line of the benchmark.

use std::path::PathBuf;

use crate::error::BenchError;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
usage: bitrouter-bench [--quick] [--check] [--json FILE] [--only PART]… [--binary FILE]

Measures the built `bitrouter` beside a direct run, a bare TCP relay and a bare hyper proxy.

  --quick        a minute instead of three: fewer and shorter rounds
  --check        exit 1 where a deadline is missed fivefold, a ratio twofold, one of instructions by a quarter, or a
                 bound on memory at all
  --json FILE    write the results there too
  --only PART    only this part (repeatable): paths, memory, cancel, token, control, process,
                 instructions, node, ledger, policies
  --binary FILE  measure this binary instead of the `bitrouter` beside this one
";

/// A part of the benchmark that can be run alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Requests on every path.
    Paths,
    /// Resident memory.
    Memory,
    /// A caller that leaves.
    Cancel,
    /// Requests with a token of the node.
    Token,
    /// The control API and reloads.
    Control,
    /// Whole processes: start, thin client.
    Process,
    /// Counted instructions.
    Instructions,
    /// The node, in this process.
    Node,
    /// The ledger, in this process.
    Ledger,
    /// What policies take of a call's time, in this process.
    Policies,
}

impl Part {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "paths" => Self::Paths,
            "memory" => Self::Memory,
            "cancel" => Self::Cancel,
            "token" => Self::Token,
            "control" => Self::Control,
            "process" => Self::Process,
            "instructions" => Self::Instructions,
            "node" => Self::Node,
            "ledger" => Self::Ledger,
            "policies" => Self::Policies,
            _ => return None,
        })
    }
}

/// What to measure and where to put it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) check: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) binary: Option<PathBuf>,
    only: Vec<Part>,
}

impl Options {
    /// Reads the words after the program's name; `None` where help was asked for.
    pub(crate) fn parse(words: &[String]) -> Result<Option<Self>, BenchError> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value =
                || words.next().cloned().ok_or_else(|| BenchError::Argument(format!("`{word}` needs a value")));
            match word.as_str() {
                "--quick" => options.quick = true,
                "--check" => options.check = true,
                "--json" => options.json = Some(value()?.into()),
                "--binary" => options.binary = Some(value()?.into()),
                "--only" => {
                    let text = value()?;
                    let part = Part::parse(&text);
                    options.only.push(part.ok_or_else(|| BenchError::Argument(format!("no part is called `{text}`")))?);
                }
                "--help" | "-h" => return Ok(None),
                _ => return Err(BenchError::Argument(format!("`{word}` is unknown"))),
            }
        }
        Ok(Some(options))
    }

    /// Whether `part` is wanted.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// `full`, or `quick` where a short run was asked for.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Option<Options>, BenchError> {
        Options::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn flags_are_read_and_the_rest_is_refused() {
        let options = parse(&["--quick", "--only", "paths", "--only", "memory", "--json", "x"]).unwrap().unwrap();
        assert!(options.quick && !options.check && options.json == Some("x".into()));
        assert!(options.wants(Part::Paths) && options.wants(Part::Memory) && !options.wants(Part::Control));
        assert!(parse(&[]).unwrap().unwrap().wants(Part::Process));
        assert_eq!(parse(&["--help"]).unwrap(), None);
        for wrong in [&["--only", "speed"][..], &["--json"], &["fast"]] {
            assert!(matches!(parse(wrong), Err(BenchError::Argument(_))), "{wrong:?}");
        }
    }
}
