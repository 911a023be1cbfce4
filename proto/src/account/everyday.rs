//! What the short verbs show of an account: one document each, of the same members whatever server answers.
//!
//! They are the documents of tokenroute's `/api/v1` (<https://docs.tokenroute.io/docs/api-reference>). What a server lacks is
//! null; money is a decimal text of US dollars with two to six decimals ([`Dollars`]).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    MicroUsd,
    dollars::{Decimal, Dollars},
};

/// Where a server says that it speaks `/api/v1`, below its address.
pub const DISCOVERY_PATH: &str = "/api/v1/auth/discovery";

/// What the keys of tokenroute begin with. They open calls of models, and nothing of `/api/v1`.
pub const MODEL_KEY: &str = "sk-tr-";

/// `GET /api/v1/auth/discovery`: how to sign in there. All six members have to be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Discovery {
    /// Who issues the tokens.
    pub issuer: String,
    /// The OAuth client to sign in as.
    pub client_id: String,
    /// What the tokens are for (RFC 8707): sent along when a code, tokens, and new tokens are asked for.
    pub resource: String,
    /// The scopes to ask for.
    pub scopes: Vec<String>,
    /// Where a code is asked for (RFC 8628).
    pub device_authorization_endpoint: String,
    /// Where tokens are.
    pub token_endpoint: String,
}

/// Who is signed in: `GET /api/v1/me`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Me {
    /// Which person.
    #[serde(default)]
    pub id: Option<String>,
    /// What the person is called.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Where mail reaches the person.
    #[serde(default)]
    pub email: Option<String>,
    /// Whom the issuer of the tokens means.
    #[serde(default)]
    pub logto_sub: Option<String>,
    /// What is left of the credit; none where the server did not say.
    #[serde(default)]
    pub balance_usd: Option<Dollars>,
    /// Why the server did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance_error: Option<String>,
    /// `active`, or what the server says.
    #[serde(default)]
    pub status: Option<String>,
}

/// A key that was just made: `POST /api/v1/me/keys`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MadeKey {
    /// Which.
    pub id: String,
    /// What it is called.
    #[serde(default)]
    pub name: Option<String>,
    /// Its first characters.
    #[serde(default)]
    pub key_prefix: Option<String>,
    /// The key itself: it is shown this once.
    pub raw: String,
    /// What is left of its credit.
    #[serde(default)]
    pub balance_usd: Option<Dollars>,
    /// `active`, or what the server says.
    #[serde(default)]
    pub status: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub created_at: Option<String>,
}

impl fmt::Debug for MadeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A key as it is listed: a row of `GET /api/v1/me/keys`, which answers a bare array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OwnKey {
    /// Which.
    pub id: String,
    /// What it is called.
    #[serde(default)]
    pub name: Option<String>,
    /// Its first characters.
    #[serde(default)]
    pub key_prefix: Option<String>,
    /// `active`, `expired`, `revoked`, `suspended`, or what the server says.
    #[serde(default)]
    pub status: Option<String>,
    /// What is left of its credit.
    #[serde(default)]
    pub balance_usd: Option<Dollars>,
    /// RFC 3339.
    #[serde(default)]
    pub created_at: Option<String>,
}

/// A key that ended: `DELETE /api/v1/me/keys/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EndedKey {
    /// Which.
    pub id: String,
    /// `revoked`.
    pub status: String,
}

/// What is left of the credit: `GET /api/v1/balance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Credit {
    /// What is left.
    pub balance_usd: Dollars,
    /// `USD`.
    #[serde(default)]
    pub currency: Option<String>,
}

/// A purchase that was begun: `POST /api/v1/topup`. Nothing is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Purchase {
    /// The page on which it is paid.
    pub checkout_url: String,
    /// Its id at whoever takes the money.
    #[serde(default)]
    pub session_id: Option<String>,
    /// What it adds to the credit.
    #[serde(default)]
    pub amount_usd: Option<Dollars>,
    /// When the page's time is over, seconds since 1970.
    #[serde(default)]
    pub expires_at: Option<i64>,
}

/// What was used in the last days, of calls that succeeded: `GET /api/v1/me/usage`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UsageOfDays {
    /// How many days, back from now.
    pub range_days: u32,
    /// Calls.
    pub total_requests: i64,
    /// Input tokens of every class.
    pub total_tokens_in: i64,
    /// Output tokens of every class.
    pub total_tokens_out: i64,
    /// What the calls cost.
    pub total_cost_usd: Dollars,
}

/// One small call that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriedModel {
    /// True: one that failed is told as an error.
    pub ok: bool,
    /// The model as the server names it.
    pub model: String,
    /// What it said.
    pub reply: String,
    /// From the request to the end of the reply, milliseconds.
    pub latency_ms: u64,
    /// Who served it, where the server or the model's name says.
    #[serde(default)]
    pub provider: Option<String>,
}

/// A model of a list, as OpenAI, BitRouter and tokenroute write it. What is of another type there is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "ListedModel")]
pub struct Model {
    /// What it is called by.
    pub id: String,
    /// Who serves it.
    pub owned_by: Option<String>,
    /// The longest input, tokens.
    pub max_input_tokens: Option<u64>,
    /// The longest output, tokens.
    pub max_output_tokens: Option<u64>,
    /// What it can do besides text.
    pub capabilities: Vec<String>,
    /// What a million tokens of input cost, uncached.
    pub input_per_million: Option<MicroUsd>,
    /// What a million tokens of output cost.
    pub output_per_million: Option<MicroUsd>,
}

#[derive(Deserialize)]
struct ListedModel {
    id: String,
    #[serde(default)]
    owned_by: Value,
    #[serde(default)]
    max_input_tokens: Value,
    #[serde(default)]
    max_output_tokens: Value,
    #[serde(default)]
    capabilities: Value,
    #[serde(default)]
    pricing: Value,
    #[serde(default)]
    input_usd_per_1k: Value,
    #[serde(default)]
    output_usd_per_1k: Value,
}

impl From<ListedModel> for Model {
    fn from(listed: ListedModel) -> Self {
        let count = |value: &Value| value.as_u64().filter(|count| *count > 0);
        let words = listed.capabilities.as_array().map(Vec::as_slice).unwrap_or_default();
        let price = |side: &str, class: &str, per_thousand: Value| {
            let per_million = amount(listed.pricing[side][class].clone(), 6);
            per_million.or_else(|| amount(per_thousand, 9))
        };
        Self {
            input_per_million: price("input_tokens", "no_cache", listed.input_usd_per_1k),
            output_per_million: price("output_tokens", "text", listed.output_usd_per_1k),
            id: listed.id,
            owned_by: listed.owned_by.as_str().map(str::to_owned),
            max_input_tokens: count(&listed.max_input_tokens),
            max_output_tokens: count(&listed.max_output_tokens),
            capabilities: words.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        }
    }
}

/// A price in micro-USD, of one that was told in dollars: `places` is 6, and 3 more for a thousand tokens where a million is
/// meant. Nothing costs less than nothing.
fn amount(told: Value, places: i32) -> Option<MicroUsd> {
    let decimal: Decimal = serde_json::from_value(told).ok()?;
    decimal.scaled(places).filter(|micros| *micros >= 0).map(MicroUsd::new)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_tokenroute_shows_is_read_and_written_with_the_same_members() {
        let me: Me = serde_json::from_value(json!({
            "id": "f4a8", "display_name": "Agent", "email": "agent@example.com", "logto_sub": "logto_xyz",
            "balance_usd": "0.00", "status": "active", "later": [1],
        }))
        .unwrap();
        let written = json!({
            "id": "f4a8", "display_name": "Agent", "email": "agent@example.com", "logto_sub": "logto_xyz",
            "balance_usd": "0.00", "status": "active",
        });
        assert_eq!(serde_json::to_value(&me).unwrap(), written);
        let nobody = serde_json::to_value(Me::default()).unwrap();
        assert_eq!(nobody.as_object().unwrap().len(), 6, "what is not known is null, and stays there");
        let key: MadeKey = serde_json::from_value(json!({
            "id": "7", "name": "n", "key_prefix": "sk-tr-ab", "raw": "sk-tr-canary", "balance_usd": "0",
        }))
        .unwrap();
        assert!(!format!("{key:?}").contains("canary"));
        let written = serde_json::to_value(&key).unwrap();
        assert_eq!((&written["balance_usd"], &written["created_at"]), (&json!("0.00"), &Value::Null));
        let topup: Purchase = serde_json::from_value(json!({
            "checkout_url": "https://checkout.stripe.com/c/pay/x", "session_id": "cs_1", "amount_usd": "5",
            "expires_at": 1_700_000_000,
        }))
        .unwrap();
        assert_eq!(serde_json::to_value(topup).unwrap()["amount_usd"], "5.00");
    }

    #[test]
    fn prices_are_read_by_the_million_from_either_form() {
        let read = |value: Value| serde_json::from_value::<Model>(value).unwrap();
        let ours = read(json!({
            "id": "openai/x", "owned_by": "openai", "max_input_tokens": 128_000, "capabilities": ["tools", 7],
            "pricing": {"input_tokens": {"no_cache": 0.15}, "output_tokens": {"text": 0.6}}, "input_usd_per_1k": 9,
        }));
        assert_eq!(ours.input_per_million, Some(MicroUsd::new(150_000)));
        assert_eq!((ours.output_per_million, ours.capabilities.len()), (Some(MicroUsd::new(600_000)), 1));
        let theirs =
            read(json!({"id": "m", "input_usd_per_1k": "0.0000375", "output_usd_per_1k": 0.0006, "owned_by": null}));
        assert_eq!(theirs.input_per_million, Some(MicroUsd::new(37_500)));
        assert_eq!((theirs.output_per_million, theirs.owned_by), (Some(MicroUsd::new(600_000)), None));
        let odd = read(json!({"id": "m", "pricing": "cheap", "capabilities": {}, "max_input_tokens": -1}));
        assert_eq!(odd, Model { id: "m".to_owned(), ..Model::default() });
        assert!(serde_json::from_value::<Model>(json!({})).is_err());
    }
}
