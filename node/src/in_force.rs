//! What follows from policies that are in force: the marker by which calls without a credential are refused while the node is
//! off, and what `status` says as long as policies do not act.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;

use crate::{
    Node, NodeWarning,
    opening::set_bound,
    settings::CreditRule,
    store::{InForce, StoreError},
};

/// What is known of it.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Whether a policy binds calls without a credential.
    binds_keyless: AtomicBool,
    /// One looks at a time, so that whoever looks last says it.
    looking: Mutex<()>,
}

impl Node {
    /// Leaves a mark where calls without a credential are bound to rules that only the node knows: while it is off, they are
    /// refused. To be asked again whenever the settings have changed; it writes a file.
    pub fn mark_bound(&self) {
        let is_credit_needed = self.settings.load().credit == CreditRule::Required;
        let bound = is_credit_needed || self.in_force.binds_keyless.load(Ordering::Relaxed);
        if let Err(error) = set_bound(&self.dir, bound) {
            tracing::warn!(%error, bound, "whether calls without a key are bound to rules could not be noted");
        }
    }

    /// The mark goes before the policy: a crash in between leaves one too many.
    pub(crate) fn will_bind_keyless(&self) {
        self.in_force.binds_keyless.store(true, Ordering::Relaxed);
        self.mark_bound();
    }

    /// Looks at what is in force, and says what follows: to be asked whenever policies, bindings or namespaces have changed.
    /// Where the database fails, what was said stays.
    pub(crate) async fn look_at_policies(&self) {
        let _looking = self.in_force.looking.lock().await;
        match self.read_in_force().await {
            Ok(found) => self.show_in_force(found),
            Err(error) => tracing::warn!(%error, "what policies bind could not be read"),
        }
    }

    async fn read_in_force(&self) -> Result<InForce, StoreError> {
        InForce::read(&mut self.store.read().await?, self.row.first_namespace, self.row.owner).await
    }

    /// Says what follows from `found`.
    pub(crate) fn show_in_force(&self, found: InForce) {
        self.in_force.binds_keyless.store(found.keyless_calls, Ordering::Relaxed);
        self.mark_bound();
        if found.anything {
            self.warn(NodeWarning::PoliciesNotEnforced);
        } else {
            self.unwarn(|warning| matches!(warning, NodeWarning::PoliciesNotEnforced));
        }
    }
}
