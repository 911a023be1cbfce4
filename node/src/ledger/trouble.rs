//! Why calls that need a row are refused: what is wrong with the journal, and what cures it.

use std::{fmt, path::PathBuf};

use bitrouter_gateway::InferenceError;
use bitrouter_proto::codes::InferenceCode;
use tokio::sync::watch;

/// The command that cures damage.
const REPAIR: &str = "bitrouter node journal repair";

/// Something that is wrong with the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no room for another record.
    NoRoom {
        /// The journal's directory.
        path: PathBuf,
    },
    /// A record could not be written or synced.
    Unwritable {
        /// The journal's directory.
        path: PathBuf,
        /// What the operating system says.
        detail: String,
    },
    /// A record before the last one is none.
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
    },
    /// The database has been out of reach for longer than the journal goes on without it.
    Away {
        /// The database.
        database: String,
        /// What is known.
        reason: String,
    },
    /// A newer release has written a record.
    Newer {
        /// The segment.
        path: PathBuf,
    },
}

impl Trouble {
    /// The command that cures it; what has none passes by itself.
    pub fn command(&self) -> Option<&'static str> {
        matches!(self, Self::Damaged { .. } | Self::Newer { .. }).then_some(REPAIR)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom { path } => write!(
                f,
                "the disk is full, so that no row can be written to `{}`: calls that need one are refused until there is room",
                path.display()
            ),
            Self::Unwritable { path, detail } => write!(
                f,
                "`{}` cannot be written ({detail}): calls that need a row are refused until it can; it is tried again by itself",
                path.display()
            ),
            Self::Damaged { path, offset } => write!(
                f,
                "`{}` is damaged at byte {offset}: calls that need a row are refused; run `{REPAIR}`, which cuts it off there and keeps a copy",
                path.display()
            ),
            Self::Away { database, reason } => write!(
                f,
                "the node's database `{database}` cannot be reached ({reason}): calls that need a row are refused until it can; it is tried again by itself"
            ),
            Self::Newer { path } => write!(
                f,
                "`{}` holds a record of a newer release: calls that need a row are refused; install that release again, or run `{REPAIR}`, which cuts it off there and keeps a copy",
                path.display()
            ),
        }
    }
}

impl From<Trouble> for InferenceError {
    fn from(trouble: Trouble) -> Self {
        Self::new(InferenceCode::Unavailable, trouble.to_string())
    }
}

/// What is wrong now, and with what: writing and reading fail each for itself.
#[derive(Debug, Default)]
pub(crate) struct Troubles(watch::Sender<Now>);

/// What is wrong now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Now {
    /// Nothing can be written.
    pub(crate) writing: Option<Trouble>,
    /// What was written cannot be read.
    pub(crate) reading: Option<Trouble>,
    /// What was written cannot be applied.
    pub(crate) database: Option<Trouble>,
}

impl Troubles {
    /// Follows what is wrong.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Now> {
        self.0.subscribe()
    }

    pub(crate) fn of_writing(&self) -> Option<Trouble> {
        self.0.borrow().writing.clone()
    }

    pub(crate) fn of_reading(&self) -> Option<Trouble> {
        self.0.borrow().reading.clone()
    }

    pub(crate) fn of_database(&self) -> Option<Trouble> {
        self.0.borrow().database.clone()
    }

    pub(crate) fn set_database(&self, trouble: Option<Trouble>) {
        self.set(|now| &mut now.database, trouble);
    }

    pub(crate) fn set_writing(&self, trouble: Option<Trouble>) {
        self.set(|now| &mut now.writing, trouble);
    }

    pub(crate) fn set_reading(&self, trouble: Option<Trouble>) {
        self.set(|now| &mut now.reading, trouble);
    }

    fn set(&self, which: impl Fn(&mut Now) -> &mut Option<Trouble>, trouble: Option<Trouble>) {
        self.0.send_if_modified(|now| {
            let known = which(now);
            let is_new = *known != trouble;
            match &trouble {
                Some(trouble) if is_new => tracing::warn!("{trouble}"),
                None if is_new => tracing::info!("rows of calls can be written again"),
                _ => {}
            }
            *known = trouble;
            is_new
        });
    }
}
