//! The ledger: one row for each call that costs, from its admission to its settlement, through every crash.
//!
//! The journey of a row: [`Ledger::admit`](bitrouter_gateway::ports::Admission::admit) judges the payer's credit from memory
//! and appends one record to the journal, before the call goes to its provider → marks note how far open rows have come →
//! the permit's settlement appends another record, before the reply's last byte → a task reads the journal and applies it to
//! the database, in one transaction with the place up to which it did (`store::ledger`). Neither the database nor a sync is
//! on the way of a call.
//!
//! * `admission`, `permit`: the gateway's port. `row_ids`: ids and times of admission.
//! * `open_rows`, `marks`: how far open calls have come. `shared`: what outlives the node while calls are open.
//! * `record`: what stands in the journal. `journal`: its files. `batch`: some records of it.
//! * `applier`: the way into the database, of `own` segments and of `others`, which ends with a recovery. `interrupted`: what
//!   a call is charged whose end nobody saw.
//! * `running`: the tasks. `trouble`: why calls are refused.

mod admission;
mod applier;
mod batch;
mod interrupted;
mod journal;
mod marks;
mod open_rows;
mod others;
mod own;
mod permit;
pub(crate) mod record;
mod row_ids;
mod running;
mod shared;
#[cfg(test)]
mod tests;
mod trouble;

use std::{
    path::{Path, PathBuf},
    sync::{self, Arc, MutexGuard, PoisonError, atomic::AtomicBool},
};

use arc_swap::ArcSwap;
use bitrouter_proto::account::{KeyId, MicroUsd, PersonId};
use tokio::sync::{Mutex, Notify, watch};

pub(crate) use self::interrupted::RECOVERED;
use self::{
    applier::Applier,
    journal::{Disk, Journal, Place, RealDisk},
    open_rows::OpenRows,
    row_ids::RowIds,
    shared::Shared,
    trouble::{Now, Troubles},
};
pub use self::{applier::Stopped, trouble::Trouble};
use crate::{
    clock::Clock,
    enforcement::{Enforcement, OpenCall},
    roles::Roles,
    settings::Settings,
    store::{self, NodeRow, Store},
};

/// The ledger of an open node.
#[derive(Debug)]
pub struct Ledger {
    shared: Arc<Shared>,
    settings: Arc<ArcSwap<Settings>>,
    /// Whose each namespace is: its owner pays.
    roles: Arc<Roles>,
    /// Who pays calls without a credential.
    owner: PersonId,
    applier: Mutex<Applier>,
    /// There is something to apply.
    apply: Notify,
    /// The newest `seq` that the database has.
    applied: watch::Sender<i64>,
}

/// What a ledger is made of.
pub(crate) struct LedgerOptions<'a> {
    /// The node's directory.
    pub(crate) dir: &'a Path,
    pub(crate) row: &'a NodeRow,
    pub(crate) store: &'a Store,
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    pub(crate) roles: Arc<Roles>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) enforcement: Arc<Enforcement>,
}

impl Ledger {
    /// Opens the journal beside the database: what earlier processes left is applied, and what they left open is settled.
    pub(crate) async fn open(options: LedgerOptions<'_>) -> Result<Arc<Self>, Stopped> {
        Self::open_on(options, Arc::new(RealDisk)).await
    }

    /// The same, on this disk.
    async fn open_on(options: LedgerOptions<'_>, disk: Arc<dyn Disk>) -> Result<Arc<Self>, Stopped> {
        let LedgerOptions { dir, row, store, settings, roles, clock, enforcement } = options;
        let place = Arc::new(Place::open(&dir.join("journal"))?);
        let (node, generation) = (row.node_id.as_str(), row.generation);
        let mut applier =
            Applier::open(Arc::clone(&place), node, generation, store.clone(), Arc::clone(&clock)).await?;
        // The balances below know of it.
        applier.take_debited();
        let mut read = store.read().await?;
        let newest = store::ledger::newest(&mut read).await?;
        let balances = store::ledger::balances(&mut read).await?;
        drop(read);
        for (person, balance) in balances {
            enforcement.granted(person, balance);
        }
        let troubles = Arc::new(Troubles::default());
        troubles.set_reading(applier.trouble());
        let shared = Shared {
            journal: Journal::new(place, node, generation, disk, Arc::clone(&troubles)),
            rows: OpenRows::default(),
            ids: RowIds::after(newest.id, newest.created_at),
            enforcement,
            troubles,
            clock,
            is_closing: AtomicBool::new(false),
        };
        let newest_seq = watch::Sender::new(newest.seq.max(applier.seq()));
        let (shared, applier) = (Arc::new(shared), Mutex::new(applier));
        let (owner, apply) = (row.owner, Notify::new());
        Ok(Arc::new(Self { shared, settings, roles, owner, applier, apply, applied: newest_seq }))
    }

    /// The counters and rules that calls go by.
    pub(crate) fn enforcement(&self) -> &Enforcement {
        &self.shared.enforcement
    }

    /// Tells each call that is open.
    pub(crate) fn each_open(&self, tell: impl Fn(&OpenCall)) {
        self.shared.rows.all().iter().for_each(|row| tell(&row.call));
    }

    /// True where a call that was made with `key` is open.
    pub(crate) fn has_open_calls_of(&self, key: KeyId) -> bool {
        self.shared.rows.all().iter().any(|row| row.call.is_of(key))
    }

    /// Follows the newest `seq` of rows: whoever waits for rows waits for it to rise.
    pub fn applied(&self) -> watch::Receiver<i64> {
        self.applied.subscribe()
    }

    /// True while a part of the journal cannot be read.
    pub(crate) fn is_damaged(&self) -> bool {
        self.shared.troubles.of_reading().is_some()
    }

    /// Follows why calls that need a row are refused.
    pub(crate) fn troubles(&self) -> watch::Receiver<Now> {
        self.shared.troubles.subscribe()
    }

    /// Says that the database has been out of reach for too long, or that it can be reached: what was written meanwhile is applied
    /// then.
    pub(crate) fn set_database(&self, away: Option<Trouble>) {
        if away.is_none() {
            self.apply.notify_one();
        }
        self.shared.troubles.set_database(away);
    }

    /// `person` was given that much, or that much was taken where it is negative, in the database: calls are judged by it from now on.
    pub(crate) fn granted(&self, person: PersonId, amount: MicroUsd) {
        self.shared.enforcement.granted(person, amount);
    }

    /// What calls of `person` are judged by.
    #[cfg(test)]
    pub(crate) fn balance(&self, person: PersonId) -> MicroUsd {
        self.shared.enforcement.limits.balance(person)
    }

    /// Cuts the journal off where it cannot be read, keeping a copy, applies the rest, and admits calls again. Where the copies
    /// are: none where nothing was wrong.
    ///
    /// # Errors
    /// Where the database or a file fails; it can be tried again.
    pub async fn repair(&self) -> Result<Vec<PathBuf>, Stopped> {
        let mut applier = self.applier.lock().await;
        let kept = applier.repair(&self.shared).await;
        self.tell(&mut applier);
        kept
    }

    /// Tells memory what was applied.
    fn tell(&self, applier: &mut Applier) {
        for (person, amount) in applier.take_debited() {
            self.shared.enforcement.granted(person, MicroUsd::ZERO.minus(amount));
        }
        self.shared.troubles.set_reading(applier.trouble());
        let seq = applier.seq();
        self.applied.send_if_modified(|applied| std::mem::replace(applied, (*applied).max(seq)) < seq);
    }
}

/// A thread that panicked with it leaves nothing half done.
fn locked<T>(mutex: &sync::Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
