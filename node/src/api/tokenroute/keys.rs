//! `/api/v1/me/keys`: API keys of the credential's namespace, which are those that every other path shows. One that is made here
//! is good for calls, and for nothing else.

use bitrouter_proto::account::{KeyId, Name, Scope, ScopeSet, keys::Key};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::balance_of;
use crate::{
    api::keys,
    clock::Moment,
    http::{
        Call,
        error::{ApiError, Code},
        idempotency::Made,
        members::Members,
    },
    keys::{Minted, Wanted},
};

/// What a key that is made here can do.
const SCOPES: ScopeSet = ScopeSet::of(&[Scope::InferenceInvoke]);

/// Whether a key opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "KeyStatus")]
pub(crate) enum Status {
    /// It does.
    Active,
    /// Somebody has revoked it.
    Revoked,
    /// It has come to its end.
    Expired,
    /// It is refused until somebody says that it holds.
    Suspended,
}

/// A key as it is listed.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "ListedKey")]
pub(crate) struct ListedKey {
    /// Which.
    id: KeyId,
    /// What it is called.
    name: String,
    /// The first characters of the key.
    key_prefix: String,
    /// Whether it opens anything.
    status: Status,
    /// The credit of the person behind the key, in US dollars; null where that is another person than asks, and for a credential
    /// that may not read it.
    balance_usd: Option<String>,
    /// RFC 3339, UTC.
    created_at: String,
}

/// A key that was just made.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "CreatedKey")]
pub(crate) struct CreatedKey {
    /// Which.
    id: KeyId,
    /// What it is called.
    name: String,
    /// The first characters of the key.
    key_prefix: String,
    /// The key itself: it is shown this once.
    raw: String,
    /// Whether it opens anything.
    status: Status,
    /// The credit of the person behind it, in US dollars; null for a credential that may not read it.
    balance_usd: Option<String>,
    /// RFC 3339, UTC.
    created_at: String,
}

/// A key that is to be made.
#[derive(JsonSchema, Deserialize)]
#[expect(
    dead_code,
    reason = "it says what is read; the handler takes the body apart, so that errors can name a member"
)]
pub(crate) struct NewKey {
    /// What it is to be called.
    #[schemars(length(min = 1, max = 128))]
    name: String,
}

/// A key that opens nothing any more.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "RevokedKey")]
pub(crate) struct RevokedKey {
    /// Which.
    id: KeyId,
    /// `revoked`.
    status: Status,
}

/// All of them, the newest first; those that were revoked stay for 90 days.
pub(super) async fn list(call: Call) -> Result<Vec<ListedKey>, ApiError> {
    let rows = call.node.keys(call.granted.namespace()?).await?;
    let (person, balance) = (call.granted.person()?.to_string(), balance_of(&call).await?);
    let now = call.node.clock.wall();
    let listed = |key: Key| ListedKey {
        status: status(&key, now),
        balance_usd: balance.clone().filter(|_| key.subject.as_deref() == Some(person.as_str())),
        id: key.id,
        name: key.display_name,
        key_prefix: key.key_prefix,
        created_at: key.created_at,
    };
    Ok(rows.into_iter().map(listed).collect())
}

pub(super) async fn create(call: Call) -> Result<Made<CreatedKey>, ApiError> {
    let mut members = Members::read(&call.body)?;
    let name = members.text("name")?;
    members.end()?;
    let name: Name =
        name.parse().map_err(|why| ApiError::new(Code::BadRequest, format!("`name`: {why}")).about("name"))?;
    let made = keys::mint_as(&call, Wanted { name, scopes: SCOPES, expires_at: None }).await?;
    let balance_usd = balance_of(&call).await?;
    Ok(made.map(|minted| created(minted, balance_usd)))
}

fn created(minted: Minted, balance_usd: Option<String>) -> CreatedKey {
    let created_at = minted.row.created_at.to_string();
    let told = minted.told();
    CreatedKey {
        id: told.id,
        name: told.display_name,
        key_prefix: told.key_prefix,
        raw: told.token,
        status: Status::Active,
        balance_usd,
        created_at,
    }
}

pub(super) async fn revoke(call: Call) -> Result<RevokedKey, ApiError> {
    let id = keys::end(&call).await?;
    Ok(RevokedKey { id, status: Status::Revoked })
}

fn status(key: &Key, now: Moment) -> Status {
    // Times are written in one form, so that their order as text is that in time.
    let is_over = key.expires_at.as_ref().is_some_and(|end| *end <= now.to_string());
    if key.revoked_at.is_some() {
        Status::Revoked
    } else if is_over {
        Status::Expired
    } else if key.suspended_at.is_some() {
        Status::Suspended
    } else {
        Status::Active
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_opens_is_said_in_one_word() {
        let now = Moment::from_millis(1_800_000_000_000);
        let at = |millis: i64| Some(Moment::from_millis(now.millis() + millis).to_string());
        for (revoked_at, expires_at, suspended_at, expected) in [
            (None, None, None, Status::Active),
            (None, at(1), None, Status::Active),
            (None, at(0), None, Status::Expired),
            (None, at(1), at(-1), Status::Suspended),
            (at(-1), at(-2), at(-3), Status::Revoked),
        ] {
            let key = Key {
                id: KeyId::new(ulid::Ulid::from_parts(1, 1)),
                display_name: "a".to_owned(),
                key_prefix: "brk_".to_owned(),
                scopes: Vec::new(),
                expires_at,
                last_used_at: None,
                revoked_at,
                suspended_at,
                created_at: now.to_string(),
                parent_id: None,
                subject: None,
            };
            assert_eq!(status(&key, now), expected, "{key:?}");
        }
    }
}
