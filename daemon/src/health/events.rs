//! What happens, for whoever watches: notifications that may be lost, and say so.

use std::{collections::BTreeMap, sync::Arc};

use bitrouter_proto::clock;
use tokio::sync::broadcast;

/// Events that a slow watcher may be behind.
const BEHIND: usize = 256;

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// RFC 3339, UTC.
    pub at: String,
    /// `reload`, `key_changed`, `warning_raised`, `warning_cleared`, `login`, `draining`.
    pub kind: &'static str,
    /// For people.
    pub message: String,
    /// For programs.
    pub fields: BTreeMap<String, String>,
}

/// The feed of events. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Events {
    feed: broadcast::Sender<Arc<Event>>,
}

impl Default for Events {
    fn default() -> Self {
        Self { feed: broadcast::channel(BEHIND).0 }
    }
}

impl Events {
    /// Tells every watcher. Nobody watching is fine.
    pub fn send(&self, kind: &'static str, message: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let event = Event { at: clock::now_rfc3339(), kind, message: message.to_owned(), fields };
        let _ = self.feed.send(Arc::new(event));
    }

    /// The events from now on.
    pub fn watch(&self) -> broadcast::Receiver<Arc<Event>> {
        self.feed.subscribe()
    }
}
