//! The rows of calls, as they are read: by page, by what has changed, one, and those that are open.

use bitrouter_proto::account::{
    MicroUsd, NamespaceId, PersonId, RequestRowId,
    ledger::{RequestRow, TokenClasses},
};

use super::super::{StoreError, columns, engine::Queryable, fetch_all, fetch_optional};
use crate::{clock::Moment, ledger::record::Admitted};

columns! {
    Shown {
        id: String, seq: i64, request_id: String, status: String, model_id: String, provider_id: String,
        requested_model: String, prompt_tokens: i64, completion_tokens: i64, uncached: i64, cache_read: i64,
        cache_write: i64, cache_write_1h: i64, audio_input: i64, image_input: i64, video_input: i64, visible: i64,
        reasoning: i64, audio_output: i64, image_output: i64, usage_origin: Option<String>,
        price_version: Option<String>, reserved: Option<i64>, cost: Option<i64>, charge: Option<i64>,
        funding_source: String, streamed: bool, credential_id: String, error_code: Option<String>, flags: String,
        created_at: i64, first_byte_ms: Option<i64>, completed_at: Option<i64>,
    }
}

/// What [`Shown`] is read from, with what chooses the rows.
macro_rules! shown {
    ($which:literal) => {
        concat!(
            "SELECT r.id, r.seq, r.request_id, r.status, r.model_id, r.provider_id, r.requested_model, r.prompt_tokens,
               r.completion_tokens, r.uncached, r.cache_read, r.cache_write, r.cache_write_1h, r.audio_input,
               r.image_input, r.video_input, r.visible, r.reasoning, r.audio_output, r.image_output, r.usage_origin,
               r.price_version, r.reserved, r.cost, r.charge, r.funding_source, r.streamed, r.credential_id,
               r.error_code, r.flags, r.created_at, r.first_byte_ms, r.completed_at
             FROM requests r ",
            $which
        )
    };
}

impl Shown {
    fn row(self) -> Result<RequestRow, StoreError> {
        let is_open = self.completed_at.is_none();
        let usage = TokenClasses {
            uncached_input_tokens: self.uncached,
            cache_read_tokens: self.cache_read,
            cache_write_tokens: self.cache_write,
            cache_write_1h_tokens: self.cache_write_1h,
            audio_input_tokens: self.audio_input,
            image_input_tokens: self.image_input,
            video_input_tokens: self.video_input,
            output_tokens: self.visible,
            reasoning_tokens: self.reasoning,
            audio_output_tokens: self.audio_output,
            image_output_tokens: self.image_output,
        };
        Ok(RequestRow {
            id: self.id.parse().map_err(|_| StoreError::Unreadable("row"))?,
            request_id: self.request_id,
            status: self.status,
            model_id: Some(self.model_id),
            provider_id: Some(self.provider_id),
            requested_model: Some(self.requested_model),
            prompt_tokens: self.prompt_tokens,
            completion_tokens: self.completion_tokens,
            usage: (!is_open).then_some(usage),
            usage_origin: self.usage_origin,
            price_version: self.price_version,
            reserved_micro_usd: self.reserved.map(MicroUsd::new),
            cost_micro_usd: self.cost.map(MicroUsd::new),
            final_charge_micro_usd: self.charge.map(MicroUsd::new),
            funding_source: Some(self.funding_source),
            streamed: Some(self.streamed),
            credential_id: Some(self.credential_id),
            error_code: self.error_code,
            flags: self.flags.split_whitespace().map(str::to_owned).collect(),
            created_at: Moment::from_millis(self.created_at).to_string(),
            first_byte_ms: self.first_byte_ms,
            completed_at: self.completed_at.map(|at| Moment::from_millis(at).to_string()),
            seq: self.seq,
        })
    }
}

pub(super) const PAGE: &str = shown!("WHERE r.namespace_id = $1 AND r.id < $2 ORDER BY r.id DESC LIMIT $3 OFFSET $4");
pub(super) const CHANGES: &str = shown!("WHERE r.namespace_id = $1 AND r.seq > $2 ORDER BY r.seq LIMIT $3");
pub(super) const MEANT: &str = "SELECT id FROM (
       SELECT id, 0 AS place FROM requests WHERE id = $2 AND namespace_id = $1
       UNION ALL SELECT id, 1 AS place FROM requests WHERE namespace_id = $1 AND request_id = $3) AS meant
     ORDER BY place, id DESC LIMIT 1";
pub(super) const OPEN: &str =
    "SELECT r.id, r.namespace_id, r.payer_id, r.credential_id, r.request_id, r.requested_model, r.model_id,
       r.provider_id, r.dialect, r.streamed, r.created_at, r.funding_source, r.bound_input, r.bound_output,
       r.reserved, r.estimated_input, r.thinks_unseen, r.max_output_tps, COALESCE(p.document, '') AS document
     FROM requests r LEFT JOIN prices p ON p.version = r.price_version WHERE r.completed_at IS NULL";

/// Behind every id of a row.
const LAST: &str = "req_~";

/// The rows of a namespace that were admitted before `before`, the newest first; `most` of them, without the first `offset`.
pub(crate) async fn requests_page(
    on: &mut impl Queryable,
    namespace: NamespaceId,
    before: Option<RequestRowId>,
    most: i64,
    offset: i64,
) -> Result<Vec<RequestRow>, StoreError> {
    let rows: Vec<Shown> = fetch_all!(
        on,
        PAGE,
        namespace.to_string(),
        before.map_or(LAST.to_owned(), |id| id.to_string()),
        most,
        offset,
    )?;
    rows.into_iter().map(Shown::row).collect()
}

/// The rows of a namespace that have changed behind `seq`, in the order of their changes; `most` of them.
pub(crate) async fn requests_after(
    on: &mut impl Queryable,
    namespace: NamespaceId,
    seq: i64,
    most: i64,
) -> Result<Vec<RequestRow>, StoreError> {
    let rows: Vec<Shown> = fetch_all!(on, CHANGES, namespace.to_string(), seq, most,)?;
    rows.into_iter().map(Shown::row).collect()
}

/// A row.
pub(crate) async fn request(on: &mut impl Queryable, id: RequestRowId) -> Result<Option<RequestRow>, StoreError> {
    let row: Option<Shown> = fetch_optional!(on, shown!("WHERE r.id = $1"), id.to_string())?;
    row.map(Shown::row).transpose()
}

/// The row of a namespace that `which` means: its id, else the newest one that its caller knows by it.
pub(crate) async fn request_id_of(
    on: &mut impl Queryable,
    namespace: NamespaceId,
    which: &str,
) -> Result<Option<RequestRowId>, StoreError> {
    let row: Option<(String,)> = fetch_optional!(
        on,
        MEANT,
        namespace.to_string(),
        which.parse().map_or(String::new(), |id: RequestRowId| id.to_string()),
        which,
    )?;
    row.map(|(id,)| id.parse().map_err(|_| StoreError::Unreadable("row"))).transpose()
}

columns! {
    Open {
        id: String, namespace_id: String, payer_id: String, credential_id: String, request_id: String,
        requested_model: String, model_id: String, provider_id: String, dialect: String, streamed: bool,
        created_at: i64, funding_source: String, bound_input: i64, bound_output: Option<i64>, reserved: Option<i64>,
        estimated_input: i64, thinks_unseen: bool, max_output_tps: i64, document: String,
    }
}

/// Every row that was not settled, as it was admitted, the oldest first.
pub(crate) async fn open_rows(on: &mut impl Queryable) -> Result<Vec<Admitted>, StoreError> {
    let rows: Vec<Open> = fetch_all!(on, OPEN)?;
    let mut open: Vec<Admitted> = rows.into_iter().map(admitted).collect::<Result<_, _>>()?;
    // Here, and not by the index of all rows, of which few are open.
    open.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    Ok(open)
}

fn admitted(row: Open) -> Result<Admitted, StoreError> {
    let id: RequestRowId = row.id.parse().map_err(|_| StoreError::Unreadable("row"))?;
    let namespace: NamespaceId = row.namespace_id.parse().map_err(|_| StoreError::Unreadable("namespace"))?;
    let payer: PersonId = row.payer_id.parse().map_err(|_| StoreError::Unreadable("payer"))?;
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(Admitted {
        id: id.ulid().to_bytes().to_vec(),
        namespace: namespace.ulid().to_bytes().to_vec(),
        payer: payer.ulid().to_bytes().to_vec(),
        credential: row.credential_id,
        request_id: row.request_id,
        requested_model: row.requested_model,
        model_id: row.model_id,
        provider_id: row.provider_id,
        dialect: row.dialect,
        streamed: row.streamed,
        created_at: row.created_at,
        funding: row.funding_source,
        bound_input: count(row.bound_input),
        bound_output: row.bound_output.map(count),
        reserved: row.reserved,
        estimated_input: count(row.estimated_input),
        thinks_unseen: row.thinks_unseen,
        max_output_tps: u32::try_from(row.max_output_tps).unwrap_or(u32::MAX),
        price: row.document,
    })
}

/// The namespaces in which there are rows: a step of the index each.
pub(super) async fn namespaces(on: &mut impl Queryable) -> Result<Vec<String>, StoreError> {
    let mut found: Vec<String> = Vec::new();
    loop {
        let next: Option<(String,)> = fetch_optional!(
            on,
            "SELECT namespace_id FROM requests WHERE namespace_id > $1 ORDER BY namespace_id LIMIT 1",
            found.last().map_or("", String::as_str),
        )?;
        match next {
            Some((next,)) => found.push(next),
            None => return Ok(found),
        }
    }
}
