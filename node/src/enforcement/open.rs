//! Calls that are open while something begins to count: until they end, those counters hold what they can still come to.
//!
//! Whoever publishes a book looks at all open calls; whoever opens a call under a book that has gone meanwhile looks at that call
//! ([`Enforcement::opened`]). Either is done with `loading` held, so that no call is settled in between.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bitrouter_gateway::http::Caller;
use bitrouter_proto::account::{CredentialId, KeyId, MicroUsd, RequestRowId};

use super::Enforcement;
use crate::{
    clock::Moment,
    limits::{Applicable, Came, Hold, Past, RateKey, Taken},
};

/// A call that is open: whose it is, and what it can come to.
#[derive(Debug)]
pub(crate) struct OpenCall {
    row: RequestRowId,
    caller: Caller,
    /// When it was admitted, by the steady time.
    at: Moment,
    /// What it costs at most, as far as that is known, and its output tokens, all replies together.
    bound: (MicroUsd, u64),
    /// What it has held something of since its admission; `None` where nothing applied.
    applicable: Option<Arc<Applicable>>,
    /// The number of the book that it was admitted under.
    generation: u64,
    /// It has ended, and is counted.
    is_counted: AtomicBool,
}

/// What open calls hold of counters that were not there when they were admitted.
#[derive(Debug, Default)]
pub(super) struct Late(Mutex<HashMap<RequestRowId, Vec<Hold>>>);

impl OpenCall {
    /// A call that has just been admitted, under the book of this number.
    pub(crate) fn new(row: RequestRowId, caller: Caller, generation: u64, at: Moment, bound: (MicroUsd, u64)) -> Self {
        Self { row, caller, at, bound, applicable: None, generation, is_counted: AtomicBool::new(false) }
    }

    /// The same, where it holds something.
    #[must_use]
    pub(crate) fn with(self, hold: Option<&Hold>) -> Self {
        Self { applicable: hold.map(|hold| Arc::clone(hold.applicable())), ..self }
    }

    /// True where it was made with `key`.
    pub(crate) fn is_of(&self, key: KeyId) -> bool {
        matches!(self.caller, Caller::Credential(principal) if principal.credential == CredentialId::Key(key))
    }

    /// Its row.
    pub(crate) fn row(&self) -> RequestRowId {
        self.row
    }
}

impl Late {
    /// What a call holds, taken out.
    fn of(&self, call: &OpenCall) -> Vec<Hold> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&call.row).unwrap_or_default()
    }
}

impl Enforcement {
    /// A call has its row now: what has begun to count since it was admitted counts it.
    pub(crate) fn opened(&self, call: &OpenCall) {
        if self.generation() != call.generation {
            let _publishing = self.loading.read().unwrap_or_else(PoisonError::into_inner);
            self.hold_late(call, &HashSet::new());
        }
    }

    /// A call was not made after all: all that it holds is given back.
    pub(crate) fn not_opened(&self, call: &OpenCall, hold: Option<Hold>) {
        let _publishing = self.loading.read().unwrap_or_else(PoisonError::into_inner);
        call.is_counted.store(true, Ordering::SeqCst);
        for hold in self.late.of(call).into_iter().chain(hold) {
            hold.undo(&self.limits, self.now());
        }
    }

    /// Counts what a call came to, gives back what it held, and has `write` write that down.
    pub(crate) fn settle(&self, call: &OpenCall, hold: Option<Hold>, came: &Came, write: impl FnOnce()) {
        let loading = self.loading.read().unwrap_or_else(PoisonError::into_inner);
        if loading.is_some() || self.generation() != call.generation {
            drop(loading);
            return self.settle_late(call, hold, came, write);
        }
        if let Some(hold) = hold {
            hold.settle(&self.limits, came, self.now());
        }
        call.is_counted.store(true, Ordering::SeqCst);
        write();
    }

    fn settle_late(&self, call: &OpenCall, hold: Option<Hold>, came: &Came, write: impl FnOnce()) {
        let now = self.now();
        let mut loading = self.loading.write().unwrap_or_else(PoisonError::into_inner);
        for hold in self.late.of(call).into_iter().chain(hold) {
            hold.settle(&self.limits, came, now);
        }
        if let (Some(loading), Some(namespace)) = (loading.as_mut(), call.caller.namespace()) {
            loading.note(call.row, namespace, &self.chain(call.caller, namespace), call.at, *came);
        }
        call.is_counted.store(true, Ordering::SeqCst);
        write();
    }

    /// Has the counters that calls go by now hold what an open call can come to, where they do not yet. `begun`: rates that begin with
    /// what has ended. To be asked with `loading` held.
    pub(super) fn hold_late(&self, call: &OpenCall, begun: &HashSet<RateKey>) {
        let Some(namespace) = call.caller.namespace().filter(|_| !call.is_counted.load(Ordering::SeqCst)) else {
            return;
        };
        let book = self.book.load();
        if book.generation == call.generation {
            // It goes by that book already.
            return;
        }
        let payer = call.applicable.as_ref().and_then(|applicable| applicable.credit());
        let applicable = book.applicable_of(namespace, &self.chain(call.caller, namespace)).paid_by(payer);
        let (now, (cost, declared)) = (self.now(), call.bound);
        let mut late = self.late.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = late.get(&call.row).into_iter().flatten().map(|hold| &**hold.applicable());
        let known: Vec<&Applicable> = call.applicable.as_deref().into_iter().chain(holds).collect();
        let missing = applicable.beside(&known);
        let begun_anew =
            applicable.rates().iter().filter(|one| begun.contains(&one.key) && !missing.has_rate(&one.key));
        for rate in begun_anew {
            let amount = i64::try_from(declared).unwrap_or(i64::MAX);
            self.limits.put_rate(rate.key, [Past { from: call.at, newest: call.at, events: 1, amount }], now);
        }
        if !missing.is_empty() {
            let taken = Taken { reserved: cost, declared, ..Taken::default() };
            late.entry(call.row).or_default().push(self.limits.adopt(&Arc::new(missing), taken, call.at, now));
        }
    }
}
