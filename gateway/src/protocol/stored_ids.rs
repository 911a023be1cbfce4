//! The ids by which a provider has stored something, as a reply tells them: each once, in the order in which they come.

/// As many are read of one reply.
pub(super) const MOST_IDS: usize = 64;

/// The ids that were told.
#[derive(Debug, Default)]
pub(super) struct StoredIds {
    all: Vec<String>,
    taken: usize,
}

impl StoredIds {
    /// One more was told.
    pub(super) fn add(&mut self, id: &str) {
        if self.all.len() < MOST_IDS && !self.all.iter().any(|known| known == id) {
            self.all.push(id.to_owned());
        }
    }

    /// True where some were not taken.
    pub(super) fn has_news(&self) -> bool {
        self.taken < self.all.len()
    }

    /// Those that were not taken yet.
    pub(super) fn take(&mut self) -> Vec<String> {
        let new = self.all[self.taken..].to_vec();
        self.taken = self.all.len();
        new
    }
}
