//! The rows of calls, as the journal writes them.

use bitrouter_proto::account::{NamespaceId, PersonId, RequestRowId};

use super::{
    super::{StoreError, Write, engine::Queryable, execute_bound, fetch_all_bound, fetch_optional},
    batch::{Opening, sums},
    column,
    many::Many,
};
use crate::{
    clock::Moment,
    ledger::record::{Mark, Settled, Tokens},
};

/// A row that is to be written.
#[derive(Debug)]
pub(super) struct NewRow<'a> {
    pub(super) id: RequestRowId,
    pub(super) seq: i64,
    pub(super) opening: Opening<'a>,
    pub(super) created_at: Moment,
    pub(super) price_version: Option<String>,
    pub(super) mark: Option<&'a Mark>,
    pub(super) settled: Option<&'a Settled>,
}

/// A row that is to be settled, or that streams from now on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Update<'a, T> {
    pub(super) id: RequestRowId,
    pub(super) seq: i64,
    pub(super) what: &'a T,
}

/// A row that was settled: what its amounts belong to.
#[derive(Clone, Debug)]
pub(super) struct SettledRow {
    pub(super) id: RequestRowId,
    pub(super) namespace: NamespaceId,
    pub(super) payer: PersonId,
    pub(super) credential: String,
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) created_at: Moment,
}

static INSERT: Many = Many::new(
    "INSERT INTO requests
     (id, seq, namespace_id, payer_id, credential_id, request_id, requested_model, model_id, provider_id, dialect,
      streamed, created_at, funding_source, price_version, bound_input, bound_output, reserved, estimated_input,
      thinks_unseen, max_output_tps, status, usage_origin, uncached, cache_read, cache_write, cache_write_1h, audio_input,
      image_input, video_input, visible, reasoning, audio_output, image_output, prompt_tokens, completion_tokens, cost,
      charge, flags, error_code, first_byte_ms, completed_at) VALUES ",
    41,
    " ON CONFLICT (id) DO NOTHING",
);

/// Writes those of `rows` that are not there yet; the places of those that were.
pub(super) async fn insert(write: &mut Write, rows: &[NewRow<'_>]) -> Result<Vec<usize>, StoreError> {
    let (mut known, mut begun) = (Vec::new(), 0);
    for (text, these) in INSERT.of(rows) {
        let written = execute_bound!(write, text, query => these.iter().fold(query, |query, row| {
            let (record, end) = (row.opening.record, row.settled);
            let tokens = token_columns(end.and_then(|end| end.usage).unwrap_or_default());
            let status = end.map_or(if row.mark.is_some() { "streaming" } else { "pending" }, |end| end.status.as_str());
            let query = query
                .bind(row.id.to_string())
                .bind(row.seq)
                .bind(row.opening.namespace.to_string())
                .bind(row.opening.payer.to_string())
                .bind(record.credential.as_str())
                .bind(record.request_id.as_str())
                .bind(record.requested_model.as_str())
                .bind(record.model_id.as_str())
                .bind(record.provider_id.as_str())
                .bind(record.dialect.as_str())
                .bind(record.streamed)
                .bind(row.created_at.millis())
                .bind(record.funding.as_str())
                .bind(row.price_version.as_deref())
                .bind(column(record.bound_input))
                .bind(record.bound_output.map(column))
                .bind(record.reserved)
                .bind(column(record.estimated_input))
                .bind(record.thinks_unseen)
                .bind(i64::from(record.max_output_tps))
                .bind(status)
                .bind(end.map(|end| end.origin.as_str()));
            let query = tokens.into_iter().fold(query, sqlx::query::Query::bind);
            query
                .bind(end.and_then(|end| end.cost))
                .bind(end.map(|end| end.charge.max(0)))
                .bind(end.map_or(String::new(), |end| end.flags.join(" ")))
                .bind(end.and_then(error_code))
                .bind(end.and_then(|end| end.first_byte_ms).or(row.mark.and_then(|mark| mark.first_byte_ms)).map(column))
                .bind(end.map(|end| end.completed_at))
        }))?;
        if written < these.len() as u64 {
            for (place, row) in (begun..).zip(these) {
                let seq: Option<(i64,)> =
                    fetch_optional!(write, "SELECT seq FROM requests WHERE id = $1", row.id.to_string())?;
                if seq != Some((row.seq,)) {
                    known.push(place);
                }
            }
        }
        begun += these.len();
    }
    Ok(known)
}

/// The columns from `uncached` to `completion_tokens`, in the order of both statements.
fn token_columns(tokens: Tokens) -> [i64; 13] {
    let (prompt_tokens, completion_tokens) = sums(tokens);
    [
        column(tokens.uncached),
        column(tokens.cache_read),
        column(tokens.cache_write),
        column(tokens.cache_write_1h),
        column(tokens.audio_input),
        column(tokens.image_input),
        column(tokens.video_input),
        column(tokens.visible),
        column(tokens.reasoning),
        column(tokens.audio_output),
        column(tokens.image_output),
        prompt_tokens,
        completion_tokens,
    ]
}

fn error_code(end: &Settled) -> Option<&str> {
    Some(end.error_code.as_str()).filter(|code| !code.is_empty())
}

static SETTLE: Many = Many::new(
    "UPDATE requests SET
       seq = v.column2, status = v.column3, usage_origin = v.column4, uncached = v.column5, cache_read = v.column6,
       cache_write = v.column7, cache_write_1h = v.column8, audio_input = v.column9, image_input = v.column10,
       video_input = v.column11, visible = v.column12, reasoning = v.column13, audio_output = v.column14,
       image_output = v.column15, prompt_tokens = v.column16, completion_tokens = v.column17, cost = v.column18,
       charge = v.column19, flags = v.column20, error_code = v.column21,
       first_byte_ms = COALESCE(v.column22, first_byte_ms), completed_at = v.column23
     FROM (VALUES ",
    23,
    ") AS v WHERE requests.id = v.column1 AND requests.completed_at IS NULL
     RETURNING id, namespace_id, payer_id, credential_id, provider_id, model_id, created_at",
);

/// Settles those of `updates` whose rows are open; those rows.
pub(super) async fn settle(write: &mut Write, updates: &[Update<'_, Settled>]) -> Result<Vec<SettledRow>, StoreError> {
    let mut settled = Vec::new();
    for (text, these) in SETTLE.of(updates) {
        let rows: Vec<(String, String, String, String, String, String, i64)> = fetch_all_bound!(write, text, query => these.iter().fold(query, |query, update| {
            let end = update.what;
            let tokens = token_columns(end.usage.unwrap_or_default());
            let query = query
                .bind(update.id.to_string())
                .bind(update.seq)
                .bind(end.status.as_str())
                .bind(end.origin.as_str());
            let query = tokens.into_iter().fold(query, sqlx::query::QueryAs::bind);
            query
                .bind(end.cost)
                .bind(end.charge.max(0))
                .bind(end.flags.join(" "))
                .bind(error_code(end))
                .bind(end.first_byte_ms.map(column))
                .bind(end.completed_at)
        }))?;
        for (id, namespace, payer, credential, provider, model, created_at) in rows {
            settled.push(SettledRow {
                id: id.parse().map_err(|_| StoreError::Unreadable("row"))?,
                namespace: namespace.parse().map_err(|_| StoreError::Unreadable("namespace"))?,
                payer: payer.parse().map_err(|_| StoreError::Unreadable("payer"))?,
                credential,
                provider,
                model,
                created_at: Moment::from_millis(created_at),
            });
        }
    }
    Ok(settled)
}

static STREAM: Many = Many::new(
    "UPDATE requests SET seq = v.column2, status = 'streaming', first_byte_ms = COALESCE(v.column3, first_byte_ms)
     FROM (VALUES ",
    3,
    ") AS v WHERE requests.id = v.column1 AND requests.status = 'pending'",
);

/// The replies of `updates` are on their way, where nothing was known of them.
pub(super) async fn stream(write: &mut Write, updates: &[Update<'_, Option<u64>>]) -> Result<(), StoreError> {
    for (text, these) in STREAM.of(updates) {
        execute_bound!(write, text, query => these.iter().fold(query, |query, update| {
            query.bind(update.id.to_string()).bind(update.seq).bind(update.what.map(column))
        }))?;
    }
    Ok(())
}

/// The newest of all rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Newest {
    /// The last place in the order of changes.
    pub(crate) seq: i64,
    /// The row that was admitted last; `None` where there is none.
    pub(crate) id: Option<RequestRowId>,
    /// When it was.
    pub(crate) created_at: Moment,
}

/// When a call was admitted last, by whatever the clock said then.
pub(crate) async fn last_admitted(on: &mut impl Queryable) -> Result<Moment, StoreError> {
    let mut last = Moment::default();
    for namespace in super::pages::namespaces(on).await? {
        let row: Option<(Option<i64>,)> =
            fetch_optional!(on, "SELECT MAX(created_at) FROM requests WHERE namespace_id = $1", namespace)?;
        last = row.and_then(|row| row.0).map_or(last, |at| last.max(Moment::from_millis(at)));
    }
    Ok(last)
}

/// Where the order of changes and the order of admission have come to.
pub(crate) async fn newest(on: &mut impl Queryable) -> Result<Newest, StoreError> {
    let seq: Option<(i64,)> = fetch_optional!(on, "SELECT seq FROM ledger WHERE id = 1")?;
    let row: Option<(String, i64)> =
        fetch_optional!(on, "SELECT id, created_at FROM requests ORDER BY id DESC LIMIT 1")?;
    let (id, created_at) = row.unzip();
    Ok(Newest {
        seq: seq.map_or(0, |row| row.0),
        id: id.map(|id: String| id.parse()).transpose().map_err(|_| StoreError::Unreadable("row"))?,
        created_at: Moment::from_millis(created_at.unwrap_or(0)),
    })
}
