//! The resources of an account as any server shows them: ids may have another form than ours, words may be other ones, and
//! what is nested is taken as it is.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    MicroUsd,
    keys::{Key, MintedKey},
    oauth_clients::{NewOauthClient, OauthClient, OauthClientChange, RegisteredOauthClient},
    policy::{Binding, Budget, Policy, Preset},
    resources::Session,
};

/// An API key.
pub type ToldKey = Key<String>;

/// A key that was just minted.
pub type ToldMintedKey = MintedKey<String>;

/// A session of a program.
pub type ToldSession = Session<String, String>;

/// An OAuth client.
pub type ToldOauthClient = OauthClient<String, String, String>;

/// An OAuth client that was just registered.
pub type ToldRegisteredClient = RegisteredOauthClient<String, String, String>;

/// What a server is asked to register.
pub type AskedOauthClient = NewOauthClient<String, String>;

/// What a server is asked to change in an OAuth client.
pub type AskedOauthClientChange = OauthClientChange<String>;

/// `DELETE /v1/namespaces/{nsid}/oauth/clients/{client_id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldDeletedClient {
    /// True where there is none any more.
    pub deleted: bool,
    /// How many keys ended with it, where the server says so.
    #[serde(default)]
    pub keys_revoked: Option<u64>,
    /// How many keys stay, likewise.
    #[serde(default)]
    pub keys_kept: Option<u64>,
}

/// A policy.
pub type ToldPolicy = Policy<String, String>;

/// A budget.
pub type ToldBudget = Budget<String, ToldLimit>;

/// A preset.
pub type ToldPreset = Preset<String, ToldClauses>;

/// What binds a policy to a principal.
pub type ToldBinding = Binding<String, String, String>;

/// What a budget says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldLimit {
    /// `day`, `month` or `total`; a newer server may say more.
    pub window: String,
    /// The most.
    pub limit_micro_usd: MicroUsd,
    /// What counts: `any` or `credit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funding: Option<String>,
}

/// What a preset says, clause by clause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldClauses {
    /// What may be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<Value>,
    /// How much may be spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Value>,
    /// How often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<Value>,
}

/// What is in force for a principal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldEffective {
    /// Each budget; all of them hold.
    #[serde(default)]
    pub budgets: Vec<Value>,
    /// Each rate limit; all of them hold.
    #[serde(default)]
    pub rate_limits: Vec<Value>,
    /// The guardrails, as one.
    #[serde(default)]
    pub guardrail: Option<Value>,
}

/// What was begun where somebody pays: `POST /v1/billing/checkout/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldCheckout {
    /// The session's id at whoever takes the money.
    pub id: String,
    /// The page on which it is paid.
    pub url: String,
}

/// `DELETE /v1/namespaces/{nsid}/sessions/{tok}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldEnd {
    /// True where the session has ended.
    pub revoked: bool,
    /// How many keys ended with it, where the server says so.
    #[serde(default)]
    pub keys_revoked: Option<u64>,
    /// How many keys stay, likewise.
    #[serde(default)]
    pub keys_kept: Option<u64>,
}

/// `POST /v1/namespaces/{nsid}/policies/{id}/bind`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldBound {
    /// What unbinds it.
    pub binding_id: String,
    /// What whoever bound it has to know, where the server says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::account::List;

    fn rows<T: DeserializeOwned>(text: &str) -> Vec<T> {
        serde_json::from_str::<List<T>>(&format!(r#"{{"data":[{text}],"more":1}}"#)).unwrap().data
    }

    #[test]
    fn what_another_server_shows_is_read_by_what_is_known_of_it() {
        let key = &rows::<ToldKey>(
            r#"{"id":"7","display_name":"ci","key_prefix":"brk_1","scopes":["usage:read"],"created_at":"t","x":{}}"#,
        )[0];
        assert_eq!((key.id.as_str(), &key.expires_at, &key.parent_id), ("7", &None, &None));
        let policy = &rows::<ToldPolicy>(r#"{"id":"p","name":"n","kind":"quota","spec":{"a":[1]},"x":1}"#)[0];
        assert_eq!((policy.kind.as_str(), policy.spec["a"][0].as_i64()), ("quota", Some(1)));
        let budget = &rows::<ToldBudget>(r#"{"id":"b","name":"n","window":"week","limit_micro_usd":5,"x":1}"#)[0];
        assert_eq!((budget.spec.window.as_str(), budget.spec.limit_micro_usd), ("week", MicroUsd::new(5)));
        let preset = &rows::<ToldPreset>(
            r#"{"id":"b","name":"n","guardrail":{"byok":"sometimes"},"budget":null,"disabled_at":"t"}"#,
        )[0];
        assert!(preset.spec.guardrail.is_some() && preset.spec.budget.is_none() && preset.disabled_at.is_some());
        let binding =
            &rows::<ToldBinding>(r#"{"id":"b","policy_id":"p","principal_type":"account","principal_id":"a"}"#)[0];
        assert_eq!(binding.principal_type, "account");
        let effective: ToldEffective = serde_json::from_str(r#"{"budgets":[{"limit_micro_usd":1}]}"#).unwrap();
        assert_eq!((effective.budgets.len(), effective.rate_limits.len(), effective.guardrail), (1, 0, None));
        let session = &rows::<ToldSession>(
            r#"{"id":"s","client_id":"c","subject":"u","scopes":[],"created_at":"t","last_used_at":"t","expires_at":"t"}"#,
        )[0];
        assert_eq!(session.subject, "u");
    }
}
