//! A key of the account, for a run while the own node is off. The account's server holds no lease: the key ends when the
//! command does, and where nobody is left to say so, with its time.

use std::{collections::BTreeMap, time::Duration};

use bitrouter_proto::{
    account::{
        MicroUsd, RunModel, RunSummary,
        keys::NewKey,
        policy::{PolicyKind, PrincipalType},
    },
    client::{Asked, Client, ClientError, IdempotencyKey, NewPolicy, PrincipalRef, Rows},
    clock,
};
use secrecy::SecretString;
use serde_json::json;

use super::{Wanted, grant::Used};
use crate::{cli::identity::exported_key, context::Context, exit::Failure};

/// How long after its end a call is in the list at the latest; a server of ours takes half of that.
const VISIBLE: Duration = Duration::from_millis(500);
/// Calls of a page.
const PAGE: u64 = 100;
/// The most pages that are read to sum a run up.
const PAGES: u64 = 50;

/// A key of the account.
pub(super) struct AccountGrant {
    client: Client,
    asked: Asked,
    /// Where the account's server is, without a slash at its end.
    server: String,
    namespace: Option<String>,
    why: String,
    began: String,
    id: String,
    key: SecretString,
    expires_at: String,
    policies: Vec<String>,
}

impl AccountGrant {
    /// Mints one, bound to what is `wanted`. `why` the own node has none.
    pub(super) async fn begin(context: &Context, client: Client, wanted: &Wanted, why: &str) -> Result<Self, Failure> {
        let key = exported_key(context);
        let who = client.who_am_i(key.as_ref()).await?;
        let identity = who.identity.ok_or_else(|| {
            let message = format!("{why}, and nobody is signed in to an account");
            Failure::caller("node_off", message).hint("bitrouter auth login")
        })?;
        let asked = Asked::Account(key);
        let mut policies = Vec::new();
        match Self::mint(&client, &asked, wanted, &mut policies).await {
            Ok((id, key, expires_at)) => Ok(Self {
                client,
                asked,
                server: identity.base_url.trim_end_matches('/').to_owned(),
                namespace: identity.namespace_id,
                why: why.to_owned(),
                began: clock::now_rfc3339(),
                id,
                key,
                expires_at,
                policies,
            }),
            Err((made, error)) => {
                let left = taken_back(&client, &asked, made.as_deref(), &policies).await;
                let failure = Failure::from(error);
                let message = match left {
                    None => format!("the account binds no such key: {}", failure.message),
                    Some(left) => format!("the account binds no such key: {}; {left}", failure.message),
                };
                Err(failure.saying(message))
            }
        }
    }

    /// The policies first: a key that is bound to nothing yet is told to nobody. With the error comes the key that was made.
    async fn mint(
        client: &Client,
        asked: &Asked,
        wanted: &Wanted,
        policies: &mut Vec<String>,
    ) -> Result<(String, SecretString, String), (Option<String>, ClientError)> {
        let budget = wanted
            .budget
            .map(|limit| (PolicyKind::Budget, json!({ "window": "total", "limit_micro_usd": limit }).to_string()));
        let models = (!wanted.models.is_empty())
            .then(|| (PolicyKind::Guardrail, json!({ "model_allow": wanted.models }).to_string()));
        for (kind, spec) in budget.into_iter().chain(models) {
            let new = NewPolicy { name: wanted.name.clone(), kind, spec };
            let made =
                client.create_policy(asked, &new, &IdempotencyKey::new()).await.map_err(|error| (None, error))?;
            policies.push(made.read.id);
        }
        let end = clock::wall_now() + wanted.lasts;
        let expires_at = clock::rfc3339(end);
        let new = NewKey {
            display_name: wanted.name.clone(),
            scopes: vec!["inference:invoke".to_owned()],
            expires_at: Some(expires_at.clone()),
        };
        let minted = client.mint_key(asked, &new, &IdempotencyKey::new()).await.map_err(|error| (None, error))?.key;
        let principal = PrincipalRef { kind: PrincipalType::ApiKey, id: minted.id.clone() };
        for policy in policies.iter() {
            let bound = client.bind_policy(asked, policy, &principal, &IdempotencyKey::new()).await;
            bound.map_err(|error| (Some(minted.id.clone()), error))?;
        }
        Ok((minted.id, minted.token.into(), minted.expires_at.unwrap_or(expires_at)))
    }

    pub(super) fn key(&self) -> &SecretString {
        &self.key
    }

    pub(super) fn address(&self) -> &str {
        &self.server
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    pub(super) fn expires_at(&self) -> &str {
        &self.expires_at
    }

    /// What is said of it at the beginning.
    pub(super) fn note(&self) -> String {
        let Self { why, server, .. } = self;
        format!(
            "note: {why}; so the key and the addresses are those of {server}, and should this command be killed, the key lives until its time is over"
        )
    }

    /// Revokes it; what the run used.
    pub(super) async fn end(&mut self, _: &Context) -> Used {
        let trouble = taken_back(&self.client, &self.asked, Some(&self.id), &self.policies).await;
        let is_revoked = trouble.is_none();
        tokio::time::sleep(VISIBLE).await;
        match self.used().await {
            Ok(summary) => Used { summary: Some(summary), trouble, is_revoked },
            Err(error) => {
                let unread = format!("what the run used is not known: {error}");
                Used {
                    summary: None,
                    trouble: Some(trouble.map_or(unread.clone(), |trouble| format!("{trouble}; {unread}"))),
                    is_revoked,
                }
            }
        }
    }

    /// The sums of its calls, from the list of the account's.
    async fn used(&self) -> Result<RunSummary, ClientError> {
        let mut models: BTreeMap<String, RunModel> = BTreeMap::new();
        for page in 0..PAGES {
            let rows = Rows { limit: Some(PAGE), offset: Some(page * PAGE) };
            let rows = self.client.list_calls(&self.asked, rows).await?.read.data;
            let is_last = rows.len() < usize::try_from(PAGE).unwrap_or(usize::MAX)
                || rows.last().is_some_and(|row| is_before(&row.created_at, &self.began));
            for row in rows.iter().filter(|row| row.credential_id.as_deref() == Some(&self.id)) {
                let names = [row.provider_id.as_deref(), row.model_id.as_deref()];
                let name = names.into_iter().flatten().collect::<Vec<_>>().join("/");
                let cost = row.cost_micro_usd.or(row.final_charge_micro_usd).unwrap_or_default();
                let model = models.entry(name.clone()).or_insert(RunModel {
                    model: name,
                    requests: 0,
                    input_tokens: 0,
                    output_tokens: 0,
                    cost_micro_usd: MicroUsd::ZERO,
                });
                model.requests += 1;
                model.input_tokens = model.input_tokens.saturating_add(row.prompt_tokens);
                model.output_tokens = model.output_tokens.saturating_add(row.completion_tokens);
                model.cost_micro_usd = model.cost_micro_usd.plus(cost);
            }
            if is_last {
                break;
            }
        }
        let mut all = RunSummary { models: models.into_values().collect(), ..RunSummary::default() };
        all.models.sort_by_key(|model| std::cmp::Reverse(model.cost_micro_usd));
        for model in &all.models {
            all.requests += model.requests;
            all.input_tokens = all.input_tokens.saturating_add(model.input_tokens);
            all.output_tokens = all.output_tokens.saturating_add(model.output_tokens);
            all.cost_micro_usd = all.cost_micro_usd.plus(model.cost_micro_usd);
        }
        Ok(all)
    }
}

/// True where a moment lies before another one; not where one of them cannot be read.
fn is_before(one: &str, other: &str) -> bool {
    matches!((clock::parse_rfc3339(one), clock::parse_rfc3339(other)), (Some(one), Some(other)) if one < other)
}

/// Revokes what was made; what of it is left, and how it is ended by hand.
async fn taken_back(client: &Client, asked: &Asked, key: Option<&str>, policies: &[String]) -> Option<String> {
    let mut left = Vec::new();
    if let Some(key) = key
        && let Err(error) = client.revoke_key(asked, key).await
    {
        left.push(format!("the key is not revoked ({error}): `bitrouter cloud keys revoke {key}`"));
    }
    for policy in policies {
        if let Err(error) = client.delete_policy(asked, policy).await {
            left.push(format!("a policy is left ({error}): `bitrouter cloud policy delete {policy}`"));
        }
    }
    (!left.is_empty()).then(|| left.join("; "))
}
