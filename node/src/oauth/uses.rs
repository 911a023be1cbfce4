//! Writing what memory knows of the use of tokens: the first use of a generation soon, the last use of a session now and then.
//! No request waits for it.

use std::{sync::Arc, time::Duration};

use super::live::LiveTokens;
use crate::store::{GrantRow, RefreshTokenRow, Store, StoreError};

/// How long the last use of a session may wait for further ones.
const FOLDED: Duration = Duration::from_secs(15);

/// Writes until the node is closed.
pub(crate) async fn write_uses_until_closed(live: Arc<LiveTokens>, store: Store) {
    while !live.is_closed() {
        live.wait_for_use(FOLDED).await;
        write_uses(&live, &store).await;
    }
}

/// Writes what was used.
pub(crate) async fn write_uses(live: &LiveTokens, store: &Store) {
    let used = live.take_used();
    if used.is_empty() {
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
        write.commit().await
    };
    let written: Result<(), StoreError> = written.await;
    if let Err(error) = written {
        tracing::warn!(%error, "the use of sessions could not be written");
        live.put_back_first(used.first);
    }
}
