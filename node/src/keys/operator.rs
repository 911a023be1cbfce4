//! The operator's reading keys: of no namespace, they open usage and calls of all of them, and metrics.

use bitrouter_proto::account::{
    KeyId, Name, Scope, ScopeSet,
    keys::{Key, MintedKey},
};

use serde_json::json;

use super::{KeyError, MOST, Minted, mint::with_another_secret};
use crate::{
    Node,
    http::{granted::SOCKET, idempotency::Claim},
    revocations::{Revocation, Revoked},
    secret::{Token, TokenKind, random_bytes, random_ulid},
    store::{ApiKeyRow, StoreError},
};

/// What stands for the path of a call that mints one: none of REST does.
const PATH: &str = "node keys";

/// What such a key can do. Where, is written on the lines of the table that it opens.
const SCOPES: ScopeSet = ScopeSet::of(&[Scope::UsageRead]);

impl Node {
    /// Mints a reading key. Its text is given out once; a call that is made again with the same `once` makes no second key, and
    /// is told the text anew as long as nobody has used it.
    ///
    /// # Errors
    /// Where it cannot be called so, there are [`MOST`], or `once` was used otherwise.
    pub async fn mint_operator_key(&self, name: &str, once: Option<&str>) -> Result<MintedKey, KeyError> {
        let name: Name = name.parse()?;
        let mut write = self.store.write().await?;
        let now = self.clock.wall();
        let mut claim = Claim::Free(None);
        if let Some(once) = once {
            let (credential, path, body) = (SOCKET.to_owned(), PATH.to_owned(), json!({ "name": name.as_str() }));
            claim = Claim::look_up(&mut write, credential, path, once, &body, now).await?;
        }
        let free = match claim {
            Claim::Free(free) => free,
            Claim::Used(used) => {
                let id = used.resource().ok_or(KeyError::Absent)?;
                return Ok(with_another_secret(self, write, None, id).await?.told());
            }
        };
        if self.keys.count_in(None) >= MOST {
            return Err(KeyError::TooMany);
        }
        let id = KeyId::new(random_ulid(now));
        let token = Token::of_seed(TokenKind::Key, id.ulid(), &random_bytes());
        let row = ApiKeyRow {
            id,
            hash: token.hash(),
            namespace: None,
            person: self.owner(),
            name: name.as_str().to_owned(),
            scopes: SCOPES,
            parent: None,
            grant: None,
            client_id: None,
            depth: 0,
            created_at: now,
            expires_at: None,
            last_used_at: None,
            suspended_at: None,
            revoked_at: None,
        };
        row.insert(&mut write).await?;
        if let Some(free) = free {
            // The secret is kept nowhere.
            free.keep(&mut write, &row.id.to_string(), None::<&()>).await?;
        }
        self.commit_key(write, &row).await?;
        Ok(Minted { row, token }.told())
    }

    /// The reading keys, the newest first, those that were revoked too, until they are forgotten.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn list_operator_keys(&self) -> Result<Vec<Key>, StoreError> {
        let rows = ApiKeyRow::of_operator(&mut self.store.read().await?).await?;
        Ok(rows.into_iter().map(|row| self.told(row)).collect())
    }

    /// Revokes a reading key, from the next request on; one that was revoked stays so.
    ///
    /// # Errors
    /// [`KeyError::Absent`] where there is none.
    pub async fn revoke_operator_key(&self, id: KeyId) -> Result<(), KeyError> {
        let mut write = self.store.write().await?;
        let row = ApiKeyRow::find(&mut write, id).await?.filter(|row| row.namespace.is_none());
        if row.ok_or(KeyError::Absent)?.revoked_at.is_none() {
            let (Revoked::Whole | Revoked::Later) = self.revoke(write, Revocation::Key(id)).await?;
        }
        Ok(())
    }
}
