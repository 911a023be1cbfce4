//! Writing what memory knows of the use of tokens and keys: the first use of a generation or a key soon, the last use of a
//! session or a key now and then.
//! No request waits for it.

use std::{sync::Arc, time::Duration};

use super::live::LiveTokens;
use crate::{
    byok::HeldKeys,
    keys::live::LiveKeys,
    store::{ApiKeyRow, ByokRow, GrantRow, RefreshTokenRow, Store, StoreError},
};

/// How long the last use of a session or a key may wait for further ones.
const FOLDED: Duration = Duration::from_secs(15);

/// Writes until the node is closed.
pub(crate) async fn write_uses_until_closed(
    live: Arc<LiveTokens>,
    keys: Arc<LiveKeys>,
    byok: Arc<HeldKeys>,
    store: Store,
) {
    while !live.is_closed() {
        // Whichever is first: both are written then.
        tokio::select! {
            () = live.wait_for_use(FOLDED) => {}
            () = keys.wait_for_use(FOLDED) => {}
        }
        write_uses(&live, &keys, &byok, &store).await;
    }
}

/// Writes what was used.
pub(crate) async fn write_uses(live: &LiveTokens, keys: &LiveKeys, byok: &HeldKeys, store: &Store) {
    let (used, used_keys, used_byok) = (live.take_used(), keys.take_used(), byok.take_uses());
    if used.is_empty() && used_keys.is_empty() && used_byok.is_empty() {
        return;
    }
    let written = async {
        let mut write = store.write().await?;
        for (grant, generation, at) in &used.first {
            RefreshTokenRow::note_first_use(&mut write, *grant, *generation, *at).await?;
        }
        for (grant, at) in &used.grants {
            GrantRow::note_use(&mut write, *grant, *at).await?;
        }
        ApiKeyRow::note_uses(&mut write, &used_keys).await?;
        ByokRow::note(&mut write, &used_byok).await?;
        write.commit().await
    };
    let written: Result<(), StoreError> = written.await;
    if let Err(error) = written {
        tracing::warn!(%error, "the use of sessions and keys could not be written");
        live.put_back_first(used.first);
        keys.put_back(&used_keys);
    }
}
