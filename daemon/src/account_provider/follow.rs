//! The task that keeps the account's provider as the session is, and its list young.

use std::{pin::Pin, sync::Arc, time::Duration};

use bitrouter_gateway::{AccountModels, Gateway, registry::ProviderId};
use bitrouter_proto::clock;

use super::{
    list::AccountList,
    schedule::{Place, Schedule},
};
use crate::{
    credentials::{Credentials, login_command},
    reload::{AccountNow, Reloader},
};

/// A list on its way.
type Asking = Pin<Box<dyn Future<Output = Result<AccountModels, String>> + Send>>;

/// What the account's provider follows. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct AccountProvider {
    /// The session.
    pub(crate) credentials: Credentials,
    /// Who makes snapshots.
    pub(crate) reloader: Reloader,
    /// Who serves with them, and asks for the list.
    pub(crate) gateway: Arc<Gateway>,
    /// What the account's server listed.
    pub(crate) list: AccountList,
}

impl AccountProvider {
    /// Has later requests be served as the session is now. A sign-in is done when this is.
    pub(crate) async fn show(&self) {
        let session = self.credentials.session();
        let in_force = self.reloader.in_force();
        let key = in_force.keys.secret(ProviderId::ACCOUNT);
        let is_beaten = key.is_some();
        self.credentials.hint_by(&in_force.account.oauth_as, is_beaten);
        let sign_in = login_command(&session, &in_force.account.oauth_as);
        let own_key = self.credentials.go_by(key).await;
        let now = AccountNow::of(&session, sign_in, self.list.known().models.clone()).with_own_key(own_key);
        if now != in_force.signed_in {
            self.reloader.account(now).await;
        }
    }

    /// Follows the session until it is told to by nobody any more.
    pub(crate) async fn follow(self) {
        let mut session = self.credentials.watch();
        let mut swaps = self.reloader.swaps();
        let mut node = self.credentials.node_changes();
        let mut schedule = Schedule::default();
        let mut asking: Option<Asking> = None;
        loop {
            session.mark_unchanged();
            node.mark_unchanged();
            self.show().await;
            swaps.mark_unchanged();
            if schedule.is_at(self.place(), clock::since_boot()) {
                asking = None;
                self.list.begins_anew();
            }
            let wait = schedule.wait(clock::since_boot());
            tokio::select! {
                changed = session.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                // Whoever makes snapshots ends with the daemon.
                changed = swaps.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                // Which keys are its own is known while it is on.
                changed = node.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = self.gateway.account_models_asked() => schedule.looked_at(clock::since_boot()),
                () = tokio::time::sleep(wait.unwrap_or(Duration::MAX)), if wait.is_some() => {
                    schedule.asks(clock::since_boot());
                    let gateway = Arc::clone(&self.gateway);
                    asking = Some(Box::pin(async move { gateway.account_models().await }));
                }
                answer = answer(&mut asking) => {
                    asking = None;
                    if let Err(reason) = &answer {
                        tracing::debug!(reason, "the account's models are not known");
                    }
                    schedule.answered(answer.is_ok(), clock::since_boot());
                    self.list.answered(answer);
                }
            }
        }
    }

    /// Where the account's list is asked for: nowhere while no call could be made, and not of this very node.
    fn place(&self) -> Option<Place> {
        let in_force = self.reloader.in_force();
        let by_key = in_force.keys.secret(ProviderId::ACCOUNT).is_some();
        let signed_in = &in_force.signed_in;
        if signed_in.own_key(&in_force.keys).is_some() {
            return None;
        }
        if !by_key && (!signed_in.is_signed_in() || signed_in.is_own_node()) {
            return None;
        }
        let server = self.gateway.snapshot().catalog.account()?.account_server()?.to_owned();
        let namespace = signed_in.namespace().filter(|_| !by_key).map(str::to_owned);
        Some(Place { server, namespace, by_key })
    }
}

/// What comes of the question that is on its way; never, where there is none.
async fn answer(asking: &mut Option<Asking>) -> Result<AccountModels, String> {
    match asking {
        Some(asking) => asking.await,
        None => std::future::pending().await,
    }
}
