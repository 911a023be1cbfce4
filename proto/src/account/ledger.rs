//! What an account has used and paid: the resources of the ledger, each in the one shape in which REST and `--json` show it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{MicroUsd, NamespaceId, RequestRowId, TransactionId};

/// How a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// It was admitted.
    Pending,
    /// Its reply is on its way.
    Streaming,
    /// Its reply reached its end.
    Succeeded,
    /// The provider refused it, or its reply broke off, stalled or took too long.
    Failed,
    /// Its caller left.
    Cancelled,
    /// It was ended by a limit on what it may cost.
    Cut,
    /// The daemon ended under it.
    Interrupted,
}

impl CallStatus {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Pending, Self::Streaming, Self::Succeeded, Self::Failed, Self::Cancelled, Self::Cut, Self::Interrupted];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Streaming => "streaming",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Cut => "cut",
            Self::Interrupted => "interrupted",
        }
    }

    /// The status that is written so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// True until it is settled.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Streaming)
    }
}

impl fmt::Display for CallStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who counted the tokens of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UsageOrigin {
    /// The provider.
    Provider,
    /// We, from what went by.
    Estimated,
}

impl UsageOrigin {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Estimated => "estimated",
        }
    }

    /// The origin that is written so.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Provider, Self::Estimated].into_iter().find(|origin| origin.as_str() == text)
    }
}

/// Who pays a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FundingSource {
    /// The owner of the namespace, at the provider.
    Byok,
    /// The node's own key, or a provider that takes none.
    Local,
    /// The owner's credit at the node, which has the key.
    CloudCredit,
}

impl FundingSource {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Byok => "byok",
            Self::Local => "local",
            Self::CloudCredit => "cloud_credit",
        }
    }

    /// The source that is written so.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Byok, Self::Local, Self::CloudCredit].into_iter().find(|source| source.as_str() == text)
    }
}

/// `GET /v1/namespaces/{nsid}/usage`: sums of a window, which is decided by when calls were admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Usage {
    /// The beginning, inclusive; RFC 3339, UTC.
    pub from: String,
    /// The end, exclusive; RFC 3339, UTC.
    pub to: String,
    /// What the calls cost, whoever paid.
    pub spend_micro_usd: MicroUsd,
    /// What left the credit.
    #[serde(default)]
    pub charged_micro_usd: MicroUsd,
    /// Input tokens of every class.
    pub prompt_tokens: i64,
    /// Output tokens of every class.
    pub completion_tokens: i64,
    /// Calls.
    pub request_count: i64,
}

/// Tokens of a call by class; each token is in one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TokenClasses {
    /// Text that was read anew.
    pub uncached_input_tokens: i64,
    /// Read from a cache.
    pub cache_read_tokens: i64,
    /// Written to a cache that is kept for minutes.
    pub cache_write_tokens: i64,
    /// Written to a cache that is kept for an hour.
    pub cache_write_1h_tokens: i64,
    /// Sound that was read anew.
    pub audio_input_tokens: i64,
    /// Pictures that were read anew.
    pub image_input_tokens: i64,
    /// Films that were read anew.
    pub video_input_tokens: i64,
    /// Text of the reply.
    pub output_tokens: i64,
    /// Thinking before it.
    pub reasoning_tokens: i64,
    /// Sound of the reply.
    pub audio_output_tokens: i64,
    /// Pictures of the reply.
    pub image_output_tokens: i64,
}

/// One call: a row of `GET /v1/namespaces/{nsid}/requests`. What was asked and answered is not in it. Another server's ids may
/// have another form than ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestRow<Id = RequestRowId> {
    /// Which row.
    pub id: Id,
    /// What the caller knows the call by.
    #[serde(default)]
    pub request_id: String,
    /// A newer server may say what is not known here.
    #[serde(default)]
    pub status: String,
    /// The resolved model, without the provider.
    pub model_id: Option<String>,
    /// The provider.
    pub provider_id: Option<String>,
    /// The model as the caller named it.
    #[serde(default)]
    pub requested_model: Option<String>,
    /// Input tokens of every class.
    #[serde(default)]
    pub prompt_tokens: i64,
    /// Output tokens of every class.
    #[serde(default)]
    pub completion_tokens: i64,
    /// The same by class.
    #[serde(default)]
    pub usage: Option<TokenClasses>,
    /// `provider` or `estimated`; `None` while it runs.
    #[serde(default)]
    pub usage_origin: Option<String>,
    /// Under which prices it was admitted; `None` where the model has none.
    #[serde(default)]
    pub price_version: Option<String>,
    /// The most that it was expected to cost, where it was reserved.
    #[serde(default)]
    pub reserved_micro_usd: Option<MicroUsd>,
    /// What it costs; `None` where the model has no price.
    #[serde(default)]
    pub cost_micro_usd: Option<MicroUsd>,
    /// What left the credit; `None` while it runs.
    pub final_charge_micro_usd: Option<MicroUsd>,
    /// `byok`, `local` or `cloud_credit`.
    pub funding_source: Option<String>,
    /// Whether the reply was asked for as a stream.
    pub streamed: Option<bool>,
    /// `keyless`, or the id of the credential.
    #[serde(default)]
    pub credential_id: Option<String>,
    /// The error code that the caller saw.
    #[serde(default)]
    pub error_code: Option<String>,
    /// What is odd about its sum.
    #[serde(default)]
    pub flags: Vec<String>,
    /// When it was admitted; RFC 3339, UTC.
    #[serde(default)]
    pub created_at: String,
    /// From the head of the request to the first body byte of the reply, in milliseconds.
    #[serde(default)]
    pub first_byte_ms: Option<i64>,
    /// When it was settled; RFC 3339, UTC.
    pub completed_at: Option<String>,
    /// Its place in the order of changes; it gets a new one when it changes.
    #[serde(default)]
    pub seq: i64,
}

/// `GET /v1/requests/{request_id}/settlement`: how one call was settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Settlement {
    /// What the caller knows the call by.
    pub request_id: String,
    /// `pending` while it runs, then `computed` where it was charged, `not_charged` where it was not, and `unknown` where its
    /// model has no price.
    pub state: String,
    /// The resolved model, without the provider.
    pub model_id: Option<String>,
    /// The provider.
    pub provider_id: Option<String>,
    /// Tokens by class.
    #[serde(default)]
    pub usage: TokenClasses,
    /// What left the credit; `None` while it runs.
    pub final_charge_micro_usd: Option<MicroUsd>,
}

/// A page of rows, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// The most rows of a page.
    #[serde(default)]
    pub limit: u64,
    /// How many rows were left out before.
    #[serde(default)]
    pub offset: u64,
    /// What asks for the next page; `None` behind the last one.
    #[serde(default)]
    pub next_cursor: Option<String>,
}

/// `GET /v1/billing/balance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Balance {
    /// The sum of all transactions.
    pub balance_micro_usd: MicroUsd,
    /// What calls that are still running may take of it.
    pub pending_debits_micro_usd: MicroUsd,
    /// What is left of it; never negative.
    pub available_micro_usd: MicroUsd,
    /// `usd`
    #[serde(default)]
    pub currency: String,
}

/// `POST /v1/billing/checkout/sessions`: a page on which credit is bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckoutSession {
    /// The session, as whoever takes the money knows it.
    pub id: String,
    /// The page.
    pub url: String,
}

/// A row of `GET /v1/billing/transactions`: what was added to a credit, or taken from it. Another server's ids may have another
/// form than ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Transaction<Id = TransactionId, RowId = RequestRowId, Namespace = NamespaceId> {
    /// Which.
    pub id: Id,
    /// `grant`, `debit`, `checkout`, `refund`, `refund_failed`, `dispute` or `dispute_won`; a newer server may say more.
    #[serde(default)]
    pub kind: String,
    /// Negative where it was taken.
    pub amount_micro_usd: MicroUsd,
    /// The row of the call that was charged.
    #[serde(default = "Option::default")]
    #[cfg_attr(feature = "schema", schemars(default))]
    pub request_id: Option<RowId>,
    /// The namespace of that call.
    #[serde(default = "Option::default")]
    #[cfg_attr(feature = "schema", schemars(default))]
    pub namespace_id: Option<Namespace>,
    /// RFC 3339, UTC.
    #[serde(default)]
    pub created_at: String,
}

/// A call as another server shows it.
pub type ToldRequestRow = RequestRow<String>;

/// A change of a credit as another server shows it.
pub type ToldTransaction = Transaction<String, String, String>;

/// `GET /v1/node/usage`: sums of each namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeUsage {
    /// The beginning, inclusive; RFC 3339, UTC.
    pub from: String,
    /// The end, exclusive; RFC 3339, UTC.
    pub to: String,
    /// A row for each namespace in which there were calls.
    pub data: Vec<NamespaceUsage>,
}

/// What one namespace used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NamespaceUsage {
    /// Which.
    pub namespace_id: NamespaceId,
    /// What its calls cost, whoever paid.
    pub spend_micro_usd: MicroUsd,
    /// What left the credit.
    pub charged_micro_usd: MicroUsd,
    /// Input tokens of every class.
    pub prompt_tokens: i64,
    /// Output tokens of every class.
    pub completion_tokens: i64,
    /// Calls.
    pub request_count: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for status in CallStatus::ALL {
            assert_eq!(CallStatus::parse(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert_eq!(FundingSource::parse("cloud_credit"), Some(FundingSource::CloudCredit));
        assert_eq!(UsageOrigin::parse("x"), None);
    }

    #[test]
    fn another_servers_row_is_read() {
        let row: RequestRow = serde_json::from_str(
            r#"{"id":"req_00000000010000000000000002","request_id":"a","status":"queued","prompt_tokens":1,
            "completion_tokens":2,"created_at":"t","more":{}}"#,
        )
        .unwrap();
        assert_eq!((row.status.as_str(), row.seq, row.usage), ("queued", 0, None));
        let page: Page<ToldRequestRow> =
            serde_json::from_str(r#"{"data":[{"id":"01J-other","created_at":"t","provider_id":null}]}"#).unwrap();
        assert_eq!((page.data[0].id.as_str(), page.limit, &page.next_cursor), ("01J-other", 0, &None));
        let row: ToldTransaction =
            serde_json::from_str(r#"{"id":"7","amount_micro_usd":-5,"request_id":"r","more":1}"#).unwrap();
        assert_eq!((row.amount_micro_usd, row.request_id.as_deref()), (MicroUsd::new(-5), Some("r")));
    }
}
