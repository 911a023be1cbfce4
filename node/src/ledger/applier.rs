//! The journal's way into the database: this process's records and those of others, each once.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bitrouter_proto::{
    account::{MicroUsd, PersonId, RequestRowId},
    files::PlaceError,
};

use super::{
    interrupted,
    journal::{Place, SegmentId},
    others::Process,
    own::Own,
    record::{Kind, Record, row_id},
    shared::Shared,
    trouble::Trouble,
};
use crate::{
    clock::Clock,
    store::{self, Store, StoreError},
};

/// Why it went no further: what is left is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the journal cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Another process, or this one, still writes what should be cut off.
    #[error("`{}` is still written; try again once the daemon before has ended", .0.display())]
    InUse(PathBuf),
}

impl Stopped {
    /// What a failed read of `path` means.
    pub(super) fn reading(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| PlaceError::Io { action: "read", path, source }.into()
    }
}

/// Where the journal is, and where it goes.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) place: Arc<Place>,
    pub(super) node: String,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    /// How far each segment was applied when the node was opened.
    pub(super) positions: HashMap<String, u64>,
    /// The newest place in the order of changes.
    pub(super) seq: i64,
    /// What other processes' calls were charged, and memory does not know.
    pub(super) debited: Vec<(PersonId, MicroUsd)>,
}

impl Scene {
    /// Applies `records`, which end at `offset` of the segment `name`, in one transaction; what was taken from whom.
    pub(super) async fn apply(
        &mut self,
        records: &[Record],
        name: &str,
        offset: u64,
    ) -> Result<Vec<(PersonId, MicroUsd)>, Stopped> {
        let mut write = self.store.write().await?;
        let applied = store::ledger::apply(&mut write, records, name, offset, self.clock.wall()).await?;
        write.commit().await?;
        self.seq = self.seq.max(applied.seq);
        Ok(applied.debited)
    }

    /// Forgets how far segments that are gone were applied.
    pub(super) async fn forget<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> Result<(), Stopped> {
        let mut write = self.store.write().await?;
        for name in names {
            store::ledger::forget_segment(&mut write, name).await?;
        }
        Ok(write.commit().await?)
    }
}

/// Applies the journal.
#[derive(Debug)]
pub(super) struct Applier {
    scene: Scene,
    generation: i64,
    own: Own,
    others: Vec<Process>,
}

impl Applier {
    /// Finds what other processes left in `place`, and applies it. `generation`: the start of the node that this process is.
    pub(super) async fn open(
        place: Arc<Place>,
        node: &str,
        generation: i64,
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Stopped> {
        let positions = store::ledger::positions(&mut store.read().await?).await?.into_iter().collect();
        let scene = Scene { place, node: node.to_owned(), store, clock, positions, seq: 0, debited: Vec::new() };
        let mut applier = Self { scene, generation, own: Own::default(), others: Vec::new() };
        applier.forget_absent().await?;
        applier.find_others()?;
        applier.follow_others().await?;
        applier.settle_unknown(|_| false).await?;
        Ok(applier)
    }

    /// What cannot be read.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.others.iter().find_map(Process::trouble).or(self.own.trouble()).cloned()
    }

    /// True where another process may write at any time.
    pub(super) fn has_others(&self) -> bool {
        self.others.iter().any(|other| other.trouble().is_none())
    }

    /// The newest place in the order of changes.
    pub(super) fn seq(&self) -> i64 {
        self.scene.seq
    }

    /// What other processes' calls were charged since this was last asked.
    pub(super) fn take_debited(&mut self) -> Vec<(PersonId, MicroUsd)> {
        std::mem::take(&mut self.scene.debited)
    }

    /// Applies what there is to apply. `is_last`: this process writes no more.
    pub(super) async fn follow(&mut self, shared: &Shared, is_last: bool) -> Result<(), Stopped> {
        self.follow_others().await?;
        self.own.follow(shared, is_last, &mut self.scene).await
    }

    /// A file that is gone was applied, or taken away.
    async fn forget_absent(&mut self) -> Result<(), Stopped> {
        let present: BTreeSet<String> = self.scene.place.segments()?.into_iter().map(SegmentId::name).collect();
        let absent: Vec<String> =
            self.scene.positions.keys().filter(|name| !present.contains(*name)).cloned().collect();
        if absent.is_empty() {
            return Ok(());
        }
        self.scene.forget(absent.iter().map(String::as_str)).await?;
        self.scene.positions.retain(|name, _| present.contains(name));
        Ok(())
    }

    fn find_others(&mut self) -> Result<(), Stopped> {
        for id in self.scene.place.segments()? {
            let is_known = self.others.iter().any(|other| other.generation() == id.generation);
            if id.generation != self.generation && !is_known {
                self.others.push(Process::new(id.generation));
            }
        }
        Ok(())
    }

    async fn follow_others(&mut self) -> Result<(), Stopped> {
        let mut at = 0;
        while at < self.others.len() {
            if self.others[at].follow(&mut self.scene).await? {
                self.others.remove(at);
            } else {
                at += 1;
            }
        }
        Ok(())
    }

    /// Settles the rows that the database holds open and no segment knows: the journal was taken away. `is_open`: the rows of
    /// this process.
    async fn settle_unknown(&mut self, is_open: impl Fn(RequestRowId) -> bool) -> Result<(), Stopped> {
        if self.others.iter().any(|other| other.trouble().is_some()) {
            return Ok(());
        }
        let known: HashSet<RequestRowId> = self.others.iter().flat_map(Process::calls).copied().collect();
        let open = store::ledger::open_rows(&mut self.scene.store.read().await?).await?;
        let is_unknown = |id: RequestRowId| !known.contains(&id) && !is_open(id);
        let now = self.scene.clock.wall();
        let settled: Vec<Record> = open
            .iter()
            .filter(|call| row_id(&call.id).is_some_and(is_unknown))
            .map(|call| Record { kind: Some(Kind::Settled(interrupted::at_its_bound(call, now))) })
            .collect();
        if settled.is_empty() {
            return Ok(());
        }
        tracing::warn!(calls = settled.len(), "open calls that the journal does not know were settled at their bound");
        let mut write = self.scene.store.write().await?;
        let applied = store::ledger::apply(&mut write, &settled, "", 0, now).await?;
        store::ledger::forget_segment(&mut write, "").await?;
        write.commit().await?;
        self.scene.debited.extend(applied.debited);
        Ok(())
    }

    /// Cuts off what cannot be read and applies the rest; where copies are.
    pub(super) async fn repair(&mut self, shared: &Shared) -> Result<Vec<PathBuf>, Stopped> {
        let mut kept = Vec::new();
        loop {
            let mut found = self.own.repair(&shared.journal, &self.scene)?;
            for other in &mut self.others {
                if found.is_none() {
                    found = other.repair(&self.scene)?;
                }
            }
            let Some(copy) = found else { break };
            tracing::warn!(copy = %copy.display(), "the journal was cut off where it was damaged");
            kept.push(copy);
            self.follow(shared, false).await?;
        }
        if self.trouble().is_none() {
            self.settle_unknown(|id| shared.rows.contains(id)).await?;
        }
        Ok(kept)
    }
}
