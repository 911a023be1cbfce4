//! What providers have stored, and for whom: so that what a start remembers is what was remembered before.

use bitrouter_gateway::{
    ports::{ObjectKey, StoredObject},
    registry::ProviderId,
};
use bitrouter_proto::account::{FundingSource, NamespaceId, RequestRowId};

use super::{
    super::{StoreError, Write, engine::Queryable, execute, execute_bound, fetch_all, fetch_optional},
    many::Many,
};
use crate::secret::hex;

/// So many responses are remembered of a namespace, each with what it left behind.
const MOST_OF_ONE: i64 = 10_000;
/// So many of all.
const MOST: usize = 100_000;

/// Stands in the place of the tokens of what is no response, and was left behind by the one with the same row.
pub(super) const LEFT_BEHIND: i64 = -1;

/// What a settled call has stored.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) object: Vec<u8>,
    pub(super) provider: String,
    pub(super) namespace: NamespaceId,
    pub(super) tokens: i64,
    pub(super) row: RequestRowId,
}

// What somebody else has stored already stays theirs.
static INSERT: Many = Many::new(
    "INSERT INTO stored_objects (object, provider_id, namespace_id, tokens, row_id) VALUES ",
    5,
    " ON CONFLICT (object) DO NOTHING",
);

/// Remembers `objects`.
pub(super) async fn insert(write: &mut Write, objects: &[Stored]) -> Result<(), StoreError> {
    for (text, these) in INSERT.of(objects) {
        execute_bound!(write, text, query => these.iter().fold(query, |query, stored| {
            query
                .bind(hex(&stored.object))
                .bind(stored.provider.as_str())
                .bind(stored.namespace.to_string())
                .bind(stored.tokens)
                .bind(stored.row.to_string())
        }))?;
    }
    Ok(())
}

/// Providers have these no more.
pub(super) async fn forget(write: &mut Write, objects: impl Iterator<Item = &[u8]>) -> Result<(), StoreError> {
    for object in objects {
        execute!(write, "DELETE FROM stored_objects WHERE object = $1", hex(object))?;
    }
    Ok(())
}

/// Row, object, provider, namespace, tokens; of the row of its call, the model and who paid.
type FoundObject = (String, String, String, String, i64, Option<String>, Option<String>);

/// The newest ones of each namespace, the newest last.
pub(crate) async fn stored_objects(on: &mut impl Queryable) -> Result<Vec<StoredObject>, StoreError> {
    let mut found: Vec<FoundObject> = Vec::new();
    for namespace in namespaces(on).await? {
        // Which model made it is told by the row of its call, with which it is forgotten.
        let its: Vec<FoundObject> = fetch_all!(
            on,
            "SELECT stored.row_id, stored.object, stored.provider_id, stored.namespace_id, stored.tokens, requests.model_id,
               requests.funding_source
             FROM stored_objects AS stored LEFT JOIN requests ON requests.id = stored.row_id
             WHERE stored.namespace_id = $1 AND stored.row_id >= COALESCE(
               (SELECT row_id FROM stored_objects WHERE namespace_id = $1 AND tokens >= 0
                ORDER BY row_id DESC LIMIT 1 OFFSET $2), '')",
            namespace,
            MOST_OF_ONE - 1,
        )?;
        found.extend(its);
    }
    // By their rows, and of each row the response first.
    found.sort_unstable_by(|one, other| (&one.0, -one.4).cmp(&(&other.0, -other.4)));
    let surplus = found.len().saturating_sub(MOST);
    let mut last: Option<(String, ObjectKey)> = None;
    let mut objects = Vec::new();
    for (row, object, provider, namespace, tokens, model, funding) in found.into_iter().skip(surplus) {
        let unreadable = || StoreError::Unreadable("stored object");
        let key = ObjectKey(u128::from_str_radix(&object, 16).map_err(|_| unreadable())?.to_be_bytes());
        let left_by = match &last {
            _ if tokens >= 0 => None,
            Some((response, key)) if *response == row => Some(*key),
            // Its response is no longer remembered.
            _ => continue,
        };
        if left_by.is_none() {
            last = Some((row, key));
        }
        objects.push(StoredObject {
            key,
            provider: ProviderId::parse(&provider).map_err(|_| unreadable())?,
            model: model.filter(|_| left_by.is_none()),
            namespace: namespace.parse().map_err(|_| unreadable())?,
            tokens: u64::try_from(tokens).unwrap_or(0),
            on_owners_key: funding.as_deref() == Some(FundingSource::Byok.as_str()),
            left_by,
        });
    }
    Ok(objects)
}

/// The oldest ones give way: each namespace keeps its newest, at most `most` are deleted at once. True where more are left.
pub(crate) async fn forget_all_but_newest(write: &mut Write, most: i64) -> Result<bool, StoreError> {
    for namespace in namespaces(write).await? {
        let last: Option<(String,)> = fetch_optional!(
            write,
            "SELECT row_id FROM stored_objects WHERE namespace_id = $1 AND tokens >= 0
             ORDER BY row_id DESC LIMIT 1 OFFSET $2",
            &namespace,
            MOST_OF_ONE - 1,
        )?;
        let Some((last,)) = last else { continue };
        let gone = execute!(
            write,
            "DELETE FROM stored_objects WHERE object IN
             (SELECT object FROM stored_objects WHERE namespace_id = $1 AND row_id < $2 ORDER BY row_id LIMIT $3)",
            &namespace,
            last,
            most,
        )?;
        if gone > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn namespaces(on: &mut impl Queryable) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = fetch_all!(on, "SELECT DISTINCT namespace_id FROM stored_objects")?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}
