//! What the calls of one credential came to, by model: of all that were ever admitted, from the sums of hours.

use bitrouter_proto::account::KeyId;

use super::{
    super::{StoreError, engine::Queryable, fetch_all},
    usage::{Sums, halves, whole},
};

/// The calls of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelSums {
    /// Which provider served them.
    pub(crate) provider: String,
    /// The model at that provider.
    pub(crate) model: String,
    /// What they came to.
    pub(crate) sums: Sums,
}

type Row = (String, String, i64, i64, i64, i64, i64, i64, i64, i64, i64);

/// What the calls with `key` came to, by model.
pub(crate) async fn spent_with(on: &mut impl Queryable, key: KeyId) -> Result<Vec<ModelSums>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        on,
        concat!(
            "SELECT provider_id, model_id, CAST(COALESCE(SUM(request_count), 0) AS BIGINT), ",
            halves!("prompt_tokens"),
            ", ",
            halves!("completion_tokens"),
            ", ",
            halves!("cost"),
            ", ",
            halves!("charge"),
            " FROM usage_hours WHERE credential_id = $1 GROUP BY provider_id, model_id ORDER BY provider_id, model_id",
        ),
        key.to_string(),
    )?;
    let sum = |high, low| i64::try_from(whole(high, low)).unwrap_or(i64::MAX);
    let read = |row: Row| ModelSums {
        provider: row.0,
        model: row.1,
        sums: Sums {
            request_count: row.2,
            prompt_tokens: sum(row.3, row.4),
            completion_tokens: sum(row.5, row.6),
            cost: sum(row.7, row.8),
            charge: sum(row.9, row.10),
        },
    };
    Ok(rows.into_iter().map(read).collect())
}
