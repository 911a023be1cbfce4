//! What counters begin with: what the database knows of the window, read while calls go on.
//!
//! From the moment on at which a reading begins, each call that is settled is noted for the counters to come. Then the journal
//! is brought into the database, and that is read with the turn to write held, so that nothing changes under it: what was
//! noted and is in the database already does not count twice. What is open when calls begin to go by the new counters is held in them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError},
    time::Duration,
};

use bitrouter_proto::{
    account::{NamespaceId, PersonId, RequestRowId},
    clock::monotonic_now,
};

use super::{Book, Enforcement};
use crate::{
    Ledger, Node,
    clock::Moment,
    ledger::Stopped,
    limits::{BudgetKey, Came, Kept, Past, RateKey, length},
    opening::set_bound,
    policy::PrincipalId,
    settings::CreditRule,
    store::{self, Store, StoreError, ledger},
};

/// In how many slices a window is read.
const SLICES: i64 = 1_440;
/// A `total` budget keeps what a crash left reserved for so long.
const KEPT: Duration = Duration::from_hours(24);
/// How long until what failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// A reading that goes on.
#[derive(Debug)]
pub(super) struct Loading {
    book: Arc<Book>,
    budgets: HashMap<BudgetKey, Vec<Noted>>,
    rates: HashMap<RateKey, Vec<Noted>>,
}

/// A call that was settled meanwhile.
#[derive(Clone, Copy, Debug)]
struct Noted {
    row: RequestRowId,
    at: Moment,
    came: Came,
}

impl Loading {
    /// A call of `chain` was settled.
    pub(super) fn note(
        &mut self,
        row: RequestRowId,
        namespace: NamespaceId,
        chain: &[PrincipalId],
        at: Moment,
        came: Came,
    ) {
        let noted = Noted { row, at, came };
        for (budget, rate) in self.book.counters(namespace, chain) {
            if let Some(calls) = budget.and_then(|key| self.budgets.get_mut(&key)) {
                note(calls, noted);
            }
            if let Some(calls) = rate.and_then(|key| self.rates.get_mut(&key)) {
                note(calls, noted);
            }
        }
    }
}

/// Once, however many policies count by the same counter.
fn note(calls: &mut Vec<Noted>, noted: Noted) {
    if calls.last().is_none_or(|last| last.row != noted.row) {
        calls.push(noted);
    }
}

/// What new counters begin with, and the turn to write that keeps it true.
struct Begun {
    budgets: Vec<(BudgetKey, Vec<Past>, Vec<Kept>)>,
    rates: Vec<(RateKey, Vec<Past>)>,
    /// Those that were settled meanwhile and are in it already.
    settled: HashSet<RequestRowId>,
    _write: store::Write,
}

impl Enforcement {
    /// Reads what is in force now, and what new counters begin with; then calls go by it, and those that are open count in it.
    ///
    /// # Errors
    /// Where the database fails: calls go by what was in force before.
    pub(crate) async fn refresh(&self, store: &Store, ledger: &Ledger) -> Result<(), Stopped> {
        let rows = store::in_force(&mut store.read().await?).await?;
        let book = Arc::new(Book::new(self.generation() + 1, rows)?);
        let (budgets, rates) = book.all_counters();
        let new_budgets: Vec<BudgetKey> = budgets.iter().filter(|key| !self.limits.has_budget(key)).copied().collect();
        let new_rates: Vec<RateKey> = rates.iter().filter(|key| !self.limits.has_rate(key)).copied().collect();
        let is_counted_anew = !new_budgets.is_empty() || !new_rates.is_empty();
        let begun = if is_counted_anew {
            self.read(store, ledger, &book, &new_budgets, &new_rates).await.map(Some)
        } else {
            Ok(None)
        };
        self.publish(&book, ledger, begun)?;
        self.limits.retain(|key| budgets.contains(key), |key| rates.contains(key), self.now());
        Ok(())
    }

    async fn read(
        &self,
        store: &Store,
        ledger: &Ledger,
        book: &Arc<Book>,
        budgets: &[BudgetKey],
        rates: &[RateKey],
    ) -> Result<Begun, Stopped> {
        let loading = Loading {
            book: Arc::clone(book),
            budgets: budgets.iter().map(|key| (*key, Vec::new())).collect(),
            rates: rates.iter().map(|key| (*key, Vec::new())).collect(),
        };
        *self.loading.write().unwrap_or_else(PoisonError::into_inner) = Some(loading);
        ledger.catch_up().await?;
        let mut write = store.write().await?;
        let mut read_budgets = Vec::new();
        for key in budgets {
            let (past, kept) = self.read_budget(&mut write, *key).await?;
            read_budgets.push((*key, past, kept));
        }
        let mut read_rates = Vec::new();
        for key in rates {
            read_rates.push((*key, self.read_rate(&mut write, *key).await?));
        }
        let noted: Vec<RequestRowId> = {
            let loading = self.loading.read().unwrap_or_else(PoisonError::into_inner);
            let calls = loading.iter().flat_map(|loading| loading.budgets.values().chain(loading.rates.values()));
            calls.flatten().map(|noted| noted.row).collect()
        };
        let settled = ledger::settled_among(&mut write, noted).await?;
        // Those that are settled from here on are not in the database before this turn to write is over.
        Ok(Begun { budgets: read_budgets, rates: read_rates, settled, _write: write })
    }

    /// Has calls go by `book`, unless what its counters begin with could not be read. Nothing is settled in between.
    fn publish(&self, book: &Arc<Book>, ledger: &Ledger, begun: Result<Option<Begun>, Stopped>) -> Result<(), Stopped> {
        let mut loading = self.loading.write().unwrap_or_else(PoisonError::into_inner);
        let noted = loading.take();
        let begun = begun?;
        let rates = begun.iter().flat_map(|begun| begun.rates.iter().map(|(key, _)| *key)).collect();
        let is_counted_anew = begun.is_some();
        if let (Some(noted), Some(begun)) = (noted, begun) {
            self.put(noted, begun);
        }
        // What is settled from now on finds the counters.
        self.book.store(Arc::clone(book));
        let _ = book.since.set(monotonic_now());
        if is_counted_anew {
            ledger.each_open(|call| self.hold_late(call, &rates));
        }
        Ok(())
    }

    fn put(&self, mut noted: Loading, begun: Begun) {
        let now = self.now();
        let Begun { budgets, rates, settled, .. } = begun;
        let is_missing = |noted: &Noted| !settled.contains(&noted.row);
        for (key, mut past, kept) in budgets {
            let calls = noted.budgets.remove(&key).unwrap_or_default().into_iter().filter(is_missing);
            past.extend(calls.map(|noted| one(noted.at, noted.came.against(key).micros())));
            self.limits.put_budget(key, past, kept, now);
        }
        for (key, mut past) in rates {
            let calls = noted.rates.remove(&key).unwrap_or_default().into_iter().filter(is_missing);
            past.extend(calls.map(|noted| one(noted.at, i64::try_from(noted.came.output_tokens).unwrap_or(i64::MAX))));
            self.limits.put_rate(key, past, now);
        }
    }

    async fn read_budget(
        &self,
        write: &mut store::Write,
        key: BudgetKey,
    ) -> Result<(Vec<Past>, Vec<Kept>), StoreError> {
        let now = self.now();
        let length = length(key.window);
        let from = length.map_or(Moment::from_millis(0), |length| now.before(length));
        let slice = length.map_or(i64::MAX, |length| millis(length) / SLICES);
        let slices = ledger::history(write, key.namespace, key.principal, from, now, slice).await?;
        let past = slices.into_iter().map(|slice| Past {
            from: slice.oldest,
            newest: slice.newest,
            events: u64::try_from(slice.requests).unwrap_or(0),
            amount: key.counts(slice.cost, slice.charge).micros(),
        });
        let past = past.filter(|past| past.amount > 0).collect();
        let keeps = length.unwrap_or(KEPT);
        let kept = ledger::kept(write, key.namespace, key.principal, now.before(keeps)).await?;
        let kept = kept.into_iter().map(|kept| Kept {
            // What lies ahead of the clock was admitted now.
            until: kept.at.min(now).after(keeps),
            amount: key.counts(kept.beside_cost, kept.beside_charge),
        });
        Ok((past, kept.collect()))
    }

    async fn read_rate(&self, write: &mut store::Write, key: RateKey) -> Result<Vec<Past>, StoreError> {
        let length = Duration::from_secs(key.window_secs);
        let (now, slice) = (self.now(), millis(length) / SLICES);
        let slices = ledger::history(write, key.namespace, key.principal, now.before(length), now, slice).await?;
        let past = slices.into_iter().map(|slice| Past {
            from: slice.oldest,
            newest: slice.newest,
            events: u64::try_from(slice.requests).unwrap_or(0),
            amount: slice.output_tokens,
        });
        Ok(past.collect())
    }
}

fn one(at: Moment, amount: i64) -> Past {
    Past { from: at, newest: at, events: 1, amount }
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

impl Node {
    /// Leaves a mark where calls without a credential are bound to rules that only the node knows: while it is off, they are
    /// refused. To be asked again whenever the settings have changed; it writes a file.
    pub fn mark_bound(&self) {
        let is_credit_needed = self.settings.load().credit == CreditRule::Required;
        let bound = is_credit_needed || self.enforcement.binds_keyless();
        if let Err(error) = set_bound(&self.dir, bound) {
            tracing::warn!(%error, bound, "whether calls without a key are bound to rules could not be noted");
        }
    }

    /// The mark goes before the policy: a crash in between leaves one too many.
    pub(crate) fn will_bind_keyless(&self) {
        self.enforcement.set_binds_keyless(true);
        self.mark_bound();
    }

    /// Has calls go by what is in force now: to be asked whenever policies, bindings or namespaces have changed. Where the
    /// database fails it is tried again, and until then calls go by what was in force before.
    pub(crate) async fn look_at_policies(self: &Arc<Self>) {
        if self.look().await {
            return;
        }
        let node = Arc::clone(self);
        self.tasks.spawn("policies in force", async move {
            while node.ending.run_until_cancelled(tokio::time::sleep(AGAIN)).await.is_some() {
                if node.look().await {
                    return;
                }
            }
        });
    }

    /// Once. False where the database failed: calls go by what was in force before.
    pub(crate) async fn look(&self) -> bool {
        let _looking = self.enforcement.looking.lock().await;
        match self.enforcement.refresh(&self.store, &self.ledger).await {
            Ok(()) => {
                self.note_what_is_bound();
                true
            }
            Err(error) => {
                tracing::warn!(%error, "what policies bind could not be read; it is tried again");
                false
            }
        }
    }

    /// Says what follows from what is in force.
    pub(crate) fn note_what_is_bound(&self) {
        let (namespace, owner): (NamespaceId, PersonId) = (self.row.first_namespace, self.row.owner);
        let keyless = [PrincipalId::Namespace(namespace), PrincipalId::User(owner)];
        self.enforcement.set_binds_keyless(self.enforcement.book().binds(namespace, &keyless));
        self.mark_bound();
    }
}
