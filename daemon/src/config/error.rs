//! What is wrong with a settings file, with line numbers.

use std::{fmt, path::PathBuf};

use bitrouter_node::PostgresUrlError;

use super::SecretError;
use crate::regular_file::{ExposedFile, UntrustedFile};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there and how to cure it, as a fragment.
    pub message: String,
}

/// Why a settings file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Lines that cannot stand, in the order of the file; never empty.
    #[error("{}", Lines { path, problems })]
    Lines {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong.
        problems: Vec<Problem>,
    },
    /// The file was named and is not there.
    #[error("`{0}` does not exist; create it, or leave `--config` out")]
    Missing(PathBuf),
    /// Others could have written it.
    #[error(transparent)]
    Untrusted(#[from] UntrustedFile),
    /// Others can read it, and a secret is written out in it.
    #[error(transparent)]
    Exposed(#[from] ExposedFile),
    /// A secret is not where the settings say.
    #[error("`{setting}` {error}")]
    Secret {
        /// The setting.
        setting: &'static str,
        /// Why not.
        error: SecretError,
    },
    /// The node's database is nowhere.
    #[error("`node.database_url` {0}")]
    DatabaseUrl(PostgresUrlError),
    /// The file cannot be read.
    #[error("cannot read `{path}`: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl ConfigError {
    /// Everything that is wrong with the lines of the file; empty where the file could not be read.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Lines { problems, .. } => problems,
            Self::Missing(_)
            | Self::Untrusted(_)
            | Self::Exposed(_)
            | Self::Secret { .. }
            | Self::DatabaseUrl(_)
            | Self::Unreadable { .. } => &[],
        }
    }
}

struct Lines<'a> {
    path: &'a PathBuf,
    problems: &'a [Problem],
}

impl fmt::Display for Lines<'_> {
    /// The first problem in full; of the others only their number, so that the text stays one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let Some((first, others)) = self.problems.split_first() else {
            return write!(f, "{path}: refused");
        };
        write!(f, "{path}:{}: {}", first.line, first.message)?;
        if let [second, ..] = others {
            write!(f, " (and {} more, next in line {})", others.len(), second.line)?;
        }
        Ok(())
    }
}
