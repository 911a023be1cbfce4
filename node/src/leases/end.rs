//! A lease ends: the key is revoked, which cuts its open calls, then its policies go. Whatever of that fails is tried again.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc, time::Duration};

use bitrouter_proto::account::{KeyId, MicroUsd, RunModel, RunRefusals, RunSummary};
use secrecy::SecretString;

use super::{LeaseError, open::hash};
use crate::{
    Node,
    revocations::{Revocation, Revoked},
    store::{ApiKeyRow, LeaseRow, PolicyRow, StoreError, ledger},
};

/// How long the calls that were cut have until they are settled.
const SETTLING: Duration = Duration::from_secs(5);
/// How often is looked whether they are.
const LOOK: Duration = Duration::from_millis(10);

impl Node {
    /// Ends a lease; what its run used. One that has ended says the same again.
    ///
    /// # Errors
    /// [`LeaseError::Absent`], and where it cannot be written or read; a key that was revoked stays so.
    pub async fn end_lease(self: &Arc<Self>, id: KeyId, claim: &SecretString) -> Result<RunSummary, LeaseError> {
        if !self.leases.is_of(id, hash(claim)) {
            let row = LeaseRow::find(&mut self.store.read().await?, id).await?;
            row.filter(|row| row.claim == hash(claim)).ok_or(LeaseError::Absent)?;
        }
        self.finish_lease(id).await?;
        // What was cut is in the journal.
        self.ledger.catch_up().await?;
        let mut read = self.store.read().await?;
        let row = LeaseRow::find(&mut read, id).await?.ok_or(LeaseError::Absent)?;
        Ok(summary(ledger::spent_with(&mut read, id).await?, row.refused))
    }

    /// Ends a lease, unless it has ended.
    ///
    /// # Errors
    /// Where it cannot be written; it is tried again.
    pub(super) async fn finish_lease(self: &Arc<Self>, id: KeyId) -> Result<(), StoreError> {
        let Some((policies, run, is_revoked)) = self.leases.begin_end(id) else { return Ok(()) };
        if !is_revoked {
            self.revoke_leased(id).await?;
            self.leases.is_revoked(id);
        }
        // Also where memory knew no key any more: it had expired.
        run.end();
        self.wait_for_calls_of(id).await;
        let mut write = self.store.write().await?;
        for policy in &policies {
            PolicyRow::delete(&mut write, *policy).await?;
        }
        let refused = run.all_refused();
        if !refused.is_empty() {
            LeaseRow::note_refused(&mut write, id, &refused).await?;
        }
        LeaseRow::end(&mut write, id, self.clock.wall()).await?;
        write.commit().await?;
        self.leases.remove(id);
        self.keys.forget_run_later(id);
        if !policies.is_empty() {
            self.look_at_policies().await;
        }
        Ok(())
    }

    async fn revoke_leased(&self, id: KeyId) -> Result<(), StoreError> {
        let (Revoked::Whole | Revoked::Later) = match self.store.write().await {
            Ok(mut write) => {
                let row = ApiKeyRow::find(&mut write, id).await?;
                if row.is_none_or(|row| row.revoked_at.is_some()) {
                    return Ok(());
                }
                self.revoke(write, Revocation::Key(id)).await?
            }
            Err(_) => self.revoke_unreached(Revocation::Key(id)).await?,
        };
        Ok(())
    }

    async fn wait_for_calls_of(&self, id: KeyId) {
        let settled = async {
            while self.ledger.has_open_calls_of(id) {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(SETTLING, settled).await.is_err() {
            tracing::warn!(key = %id, "calls of a run that has ended are still open: their callers do not read");
        }
    }
}

fn summary(models: Vec<ledger::ModelSums>, refused: BTreeMap<String, u64>) -> RunSummary {
    let mut all = RunSummary::default();
    for ledger::ModelSums { provider, model, sums } in models {
        let cost = MicroUsd::new(sums.cost);
        all.requests = all.requests.saturating_add(sums.request_count);
        all.input_tokens = all.input_tokens.saturating_add(sums.prompt_tokens);
        all.output_tokens = all.output_tokens.saturating_add(sums.completion_tokens);
        all.cost_micro_usd = all.cost_micro_usd.plus(cost);
        all.models.push(RunModel {
            model: format!("{provider}/{model}"),
            requests: sums.request_count,
            input_tokens: sums.prompt_tokens,
            output_tokens: sums.completion_tokens,
            cost_micro_usd: cost,
        });
    }
    all.models.sort_by_key(|model| Reverse(model.cost_micro_usd));
    all.refused = refused.into_iter().map(|(code, count)| RunRefusals { code, count }).collect();
    all.refused.sort_by_key(|refusals| Reverse(refusals.count));
    all
}
