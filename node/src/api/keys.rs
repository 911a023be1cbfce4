//! `/v1/namespaces/{nsid}/keys`.

use bitrouter_proto::account::{
    KeyId, List, Name,
    keys::{Key, MintedKey},
};
use serde::Serialize;

use super::scopes_of;
use crate::{
    http::{
        Call,
        error::{ApiError, Code},
        granted::{Actor, Granted},
        idempotency::{Claim, Made},
        members::Members,
    },
    keys::{self, KeyError, Minted, Minter, Wanted},
};

/// What opens nothing any more.
#[derive(Debug, Serialize)]
pub(super) struct Revoked {
    revoked: bool,
}

/// All keys of the namespace, the newest first; those that were revoked stay for 90 days.
pub(super) async fn list(call: Call) -> Result<List<Key>, ApiError> {
    let data = call.node.keys(call.granted.namespace()?).await?;
    Ok(List { data })
}

/// Mints one.
pub(super) async fn mint(call: Call) -> Result<Made<MintedKey>, ApiError> {
    Ok(mint_as(&call, wanted(&call.body)?).await?.map(Minted::told))
}

/// Mints what is wanted, once for each `Idempotency-Key`.
pub(super) async fn mint_as(call: &Call, wanted: Wanted) -> Result<Made<Minted>, ApiError> {
    let (node, minter) = (&call.node, minter(&call.granted)?);
    // Whoever may not mint it is told so, whatever an earlier call has made.
    minter.judge(&wanted)?;
    let mut write = node.store.write().await?;
    let free = match Claim::of(call, &mut write).await? {
        Claim::Free(free) => free,
        Claim::Used(used) => {
            let id = used.resource().ok_or(KeyError::Absent)?;
            return Ok(Made::Again(keys::again(node, write, &minter, &wanted, id).await?));
        }
    };
    let made = keys::mint(node, &mut write, &minter, wanted).await?;
    if let Some(free) = free {
        // The secret is kept nowhere.
        free.keep(&mut write, &made.row.id.to_string(), None::<&()>).await?;
    }
    node.commit_key(write, &made.row).await?;
    Ok(Made::New(made))
}

fn wanted(body: &[u8]) -> Result<Wanted, ApiError> {
    let mut members = Members::read(body)?;
    let (name, texts) = (members.text("display_name")?, members.texts("scopes")?);
    let expires_at = members.optional_time("expires_at")?;
    members.end()?;
    let name: Name = name.parse().map_err(KeyError::from)?;
    Ok(Wanted { name, scopes: scopes_of(&texts, "scopes")?, expires_at })
}

fn minter(granted: &Granted) -> Result<Minter, ApiError> {
    let credential = match granted.actor {
        Actor::Token(principal) => Some(principal.credential),
        Actor::Person(_) | Actor::Socket(_) | Actor::Operator(_) | Actor::Anyone => None,
    };
    Ok(Minter { person: granted.person()?, namespace: granted.namespace()?, scopes: granted.scopes(), credential })
}

/// Revokes one, with all that were minted with it.
pub(super) async fn revoke(call: Call) -> Result<Revoked, ApiError> {
    end(&call).await?;
    Ok(Revoked { revoked: true })
}

/// Revokes the one that the path names; which it is.
pub(super) async fn end(call: &Call) -> Result<KeyId, ApiError> {
    let granted = &call.granted;
    let id = granted.key.ok_or(KeyError::Absent)?;
    call.node.revoke_key(granted.namespace()?, id, granted.person()?, granted.role).await?;
    Ok(id)
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        let message = error.to_string();
        match error {
            KeyError::Name(_) => Self::new(Code::BadRequest, message).about("display_name"),
            KeyError::NoScope => Self::new(Code::BadRequest, message).about("scopes"),
            KeyError::Exceeds(_) | KeyError::Never(_) => Self::new(Code::Forbidden, message).about("scopes"),
            KeyError::Past => Self::new(Code::BadRequest, message).about("expires_at"),
            KeyError::MinterEnded => Self::new(Code::Unauthorized, message),
            KeyError::TooDeep | KeyError::TooMany | KeyError::Made(_) | KeyError::MadeAndEnded(_) => {
                Self::new(Code::Conflict, message)
            }
            KeyError::Claimed(error) => error.into(),
            KeyError::Absent => Self::new(Code::NotFound, message),
            KeyError::Others => Self::new(Code::Forbidden, message),
            KeyError::Store(error) => error.into(),
        }
    }
}
