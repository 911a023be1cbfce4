//! What an open node has to say of itself: facts that whoever mounts it shows to people.

use std::{fmt, path::PathBuf, sync::Arc};

use bitrouter_proto::account::{KeyId, byok::StoredKeyChange};
use tokio::sync::watch;

use crate::{Node, clock::Moment, ledger::Trouble};

/// So many keys a warning names.
const NAMED: usize = 10;

/// Something about an open node that somebody should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeWarning {
    /// The database was last open on another machine.
    DatabaseMoved {
        /// The database.
        database: PathBuf,
    },
    /// The wall clock was set, or is wrong.
    ClockStepped {
        /// What it shows since.
        at: Moment,
        /// What it had shown before, or the time of the newest record.
        from: Moment,
    },
    /// What was revoked could not be told, so that every session was ended.
    SessionsEnded {
        /// The file that was missing.
        missing: PathBuf,
    },
    /// These keys hold, though the session that they come from was ended for a refresh token or a code that came twice.
    KeysOfReplayed {
        /// The oldest first.
        keys: Vec<KeyId>,
    },
    /// So many keys were disabled with the sessions, until somebody says that they hold.
    KeysSuspended {
        /// How many.
        count: usize,
    },
    /// Stored provider keys were changed within a day.
    ByokChanged {
        /// The newest first.
        changes: Vec<StoredKeyChange>,
    },
    /// The database finds no room.
    DiskFull {
        /// The database.
        database: PathBuf,
    },
    /// The server of the database does not answer.
    DatabaseUnreachable {
        /// The database.
        database: String,
        /// What is known.
        reason: String,
    },
    /// No row can be written: calls that need one are refused until it can.
    JournalUnwritable(Trouble),
    /// What was written cannot be read: calls that need a row are refused until somebody repairs it.
    JournalDamaged(Trouble),
}

impl fmt::Display for NodeWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DatabaseMoved { database } => write!(
                f,
                "`{}` was last open on another machine; if that one still uses a copy of it, sign in anew on one of the two",
                database.display()
            ),
            Self::ClockStepped { at, from } => write!(
                f,
                "the clock went from {from} to {at}; tokens may expire early or late, and nothing is deleted for its age for 24 h"
            ),
            Self::SessionsEnded { missing } => write!(
                f,
                "`{}` was missing or cut short, so that nobody could tell what had been revoked: every session was ended; sign in again",
                missing.display()
            ),
            Self::KeysOfReplayed { keys } => {
                let named: Vec<String> = keys.iter().take(NAMED).map(|key| format!("`{key}`")).collect();
                let more = keys.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                write!(
                    f,
                    "a session was ended because its refresh token, or the code that it began with, was used twice, and keys that were minted through it hold: {}{more}; revoke those that you do not know",
                    named.join(", ")
                )
            }
            Self::KeysSuspended { count } => {
                let keys = if *count == 1 { "1 API key is".to_owned() } else { format!("{count} API keys are") };
                write!(
                    f,
                    "{keys} suspended, since what had been revoked could not be told: `bitrouter node keys confirm` says that all hold, with a key's id that this one does; revoke those that you do not know"
                )
            }
            Self::ByokChanged { changes } => {
                let told: Vec<String> = changes.iter().map(change).collect();
                write!(
                    f,
                    "provider keys were changed within a day: {}; `bitrouter node byok audit` lists all",
                    told.join("; ")
                )
            }
            Self::DiskFull { database } => write!(
                f,
                "the disk is full, so that `{}` cannot be written: revoking, deleting and removing work, nothing else; it recovers by itself when there is room",
                database.display()
            ),
            Self::DatabaseUnreachable { database, reason } => write!(
                f,
                "the node's database `{database}` cannot be reached ({reason}): calls go on for 5 s, what manages the node is refused; it is tried again by itself"
            ),
            Self::JournalUnwritable(trouble) | Self::JournalDamaged(trouble) => trouble.fmt(f),
        }
    }
}

fn change(change: &StoredKeyChange) -> String {
    let StoredKeyChange { at, action, person_name, credential, provider_name, .. } = change;
    let base = change.api_base.as_ref().map(|base| format!(", sent to `{base}`")).unwrap_or_default();
    format!("the key of `{person_name}` for `{provider_name}` was {action} at {at} by `{credential}`{base}")
}

impl NodeWarning {
    /// The command that cures it, where there is one.
    pub fn command(&self) -> Option<&'static str> {
        match self {
            Self::JournalDamaged(trouble) => trouble.command(),
            Self::KeysOfReplayed { .. } => Some("bitrouter cloud keys list --local"),
            Self::KeysSuspended { .. } => Some("bitrouter node keys confirm"),
            Self::ByokChanged { .. } => Some("bitrouter node byok audit"),
            _ => None,
        }
    }
}

impl Node {
    /// Says what is wrong with the journal as long as it is.
    pub(crate) fn watch_journal(self: &Arc<Self>) {
        let (node, ending) = (Arc::downgrade(self), self.ending.clone());
        let mut troubles = self.ledger.troubles();
        self.tasks.spawn("journal troubles", async move {
            loop {
                let Some(node) = node.upgrade() else { return };
                let now = troubles.borrow_and_update().clone();
                match now.writing {
                    Some(trouble) => node.warn(NodeWarning::JournalUnwritable(trouble)),
                    None => node.unwarn(|warning| matches!(warning, NodeWarning::JournalUnwritable(_))),
                }
                match now.reading {
                    Some(trouble) => node.warn(NodeWarning::JournalDamaged(trouble)),
                    None => node.unwarn(|warning| matches!(warning, NodeWarning::JournalDamaged(_))),
                }
                drop(node);
                if !matches!(ending.run_until_cancelled(troubles.changed()).await, Some(Ok(()))) {
                    return;
                }
            }
        });
    }

    /// What it has to say now, and whatever it will.
    pub fn warnings(&self) -> watch::Receiver<Vec<NodeWarning>> {
        self.warnings.subscribe()
    }

    /// Says `warning`, instead of another one of its kind.
    pub(crate) fn warn(&self, warning: NodeWarning) {
        self.warnings.send_modify(|warnings| {
            warnings.retain(|other| std::mem::discriminant(other) != std::mem::discriminant(&warning));
            warnings.push(warning);
        });
    }

    /// Takes back what no longer holds.
    pub(crate) fn unwarn(&self, no_longer: impl Fn(&NodeWarning) -> bool) {
        self.warnings.send_if_modified(|warnings| {
            let before = warnings.len();
            warnings.retain(|warning| !no_longer(warning));
            warnings.len() != before
        });
    }
}
