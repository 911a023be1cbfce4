//! What each endpoint of REST is, reads and writes. A test walks the table of endpoints: none is missing here.

use bitrouter_proto::account::{
    Account, List, Member, Namespace, Session,
    byok::{EncryptionKey, NewStoredKey, StoredKey, SubmittedKey},
    keys::{Key, MintedKey, NewKey},
    ledger::{Balance, CheckoutSession, NodeUsage, Page, RequestRow, Settlement, Transaction, Usage},
    oauth_clients::{NewOauthClient, OauthClient, OauthClientChange, RegisteredOauthClient},
    policy::{Binding, Budget, Effective, Policy, Preset},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::api::tokenroute::{
    account::{Balance as BalanceInDollars, Me},
    discovery::Discovery,
    keys::{CreatedKey, ListedKey, NewKey as NewTokenrouteKey, RevokedKey},
    topup::{NewTopUp, TopUp},
    usage::UsageOfDays,
};

use super::{
    bodies::{
        AccountChange, BudgetChange, Event, NewBinding, NewBudget, NewCheckout, NewMember, NewNamespace, NewPolicy,
        NewPreset, Nothing, PolicyChange, PresetChange,
    },
    replies::{Bound, Deleted, DeletedClient, Disabled, EndedSession, Received, Removed, Revoked, Unbound},
};

/// Makes a schema, its parts among those of the generator.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What stands behind an endpoint.
#[derive(Debug)]
pub(super) struct Operation {
    /// Its method.
    pub(super) method: &'static str,
    /// Its path, as the table has it.
    pub(super) path: &'static str,
    /// A name that no other one has.
    pub(super) id: &'static str,
    /// What it does.
    pub(super) summary: &'static str,
    /// What is sent.
    pub(super) body: Option<SchemaOf>,
    /// What is answered.
    pub(super) reply: SchemaOf,
    /// Whether it makes something, once for each `Idempotency-Key`.
    pub(super) makes: bool,
    /// Whether its reply has a tag by which it is kept.
    pub(super) is_tagged: bool,
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const fn get<T: JsonSchema>(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation { method: "GET", path, id, summary, body: None, reply: schema_of::<T>, makes: false, is_tagged: false }
}

const fn delete<T: JsonSchema>(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation { method: "DELETE", ..get::<T>(path, id, summary) }
}

const fn send<B: JsonSchema, T: JsonSchema>(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> Operation {
    Operation { method, body: Some(schema_of::<B>), ..get::<T>(path, id, summary) }
}

const fn make<B: JsonSchema, T: JsonSchema>(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation { makes: true, ..send::<B, T>("POST", path, id, summary) }
}

/// The OpenAPI document itself: an object.
type Document = serde_json::Map<String, serde_json::Value>;

/// All of them.
pub(super) const OPERATIONS: &[Operation] = &[
    get::<Document>("/openapi.json", "getOpenapi", "This document."),
    get::<List<Namespace>>(
        "/v1/namespaces",
        "listNamespaces",
        "All namespaces that the person behind the credential reaches.",
    ),
    make::<NewNamespace, Namespace>("/v1/namespaces", "createNamespace", "Makes a namespace."),
    delete::<Deleted>(
        "/v1/namespaces/{nsid}",
        "deleteNamespace",
        "Ends a namespace with its keys, sessions and policies.",
    ),
    get::<List<Member>>(
        "/v1/namespaces/{nsid}/members",
        "listMembers",
        "Who else may do something in a namespace, the oldest first.",
    ),
    make::<NewMember, Member>(
        "/v1/namespaces/{nsid}/members",
        "setMember",
        "Makes a person a member, or gives a member another role.",
    ),
    delete::<Removed>(
        "/v1/namespaces/{nsid}/members/{usr}",
        "removeMember",
        "Ends what a member may do, on the next request.",
    ),
    get::<List<Key>>(
        "/v1/namespaces/{nsid}/keys",
        "listKeys",
        "API keys, those too that were revoked in the last 90 days.",
    ),
    make::<NewKey, MintedKey>("/v1/namespaces/{nsid}/keys", "mintKey", "Mints a key, which is shown this once."),
    delete::<Revoked>(
        "/v1/namespaces/{nsid}/keys/{key}",
        "revokeKey",
        "Revokes a key with all that were minted with it.",
    ),
    get::<List<Policy>>("/v1/namespaces/{nsid}/policies", "listPolicies", "Policies of every kind, the oldest first."),
    make::<NewPolicy, Policy>("/v1/namespaces/{nsid}/policies", "createPolicy", "Makes a policy."),
    get::<Effective>(
        "/v1/namespaces/{nsid}/policies/effective",
        "getEffectivePolicies",
        "What all policies together say of a principal.",
    ),
    get::<Policy>("/v1/namespaces/{nsid}/policies/{pol}", "getPolicy", "One policy."),
    send::<PolicyChange, Policy>("PUT", "/v1/namespaces/{nsid}/policies/{pol}", "changePolicy", "Changes a policy."),
    delete::<Deleted>("/v1/namespaces/{nsid}/policies/{pol}", "deletePolicy", "Deletes a policy with its bindings."),
    make::<NewBinding, Bound>(
        "/v1/namespaces/{nsid}/policies/{pol}/bind",
        "bindPolicy",
        "Binds a policy to a principal.",
    ),
    delete::<Unbound>("/v1/namespaces/{nsid}/policies/{pol}/bind/{bnd}", "unbindPolicy", "Ends a binding."),
    send::<Nothing, Disabled>(
        "POST",
        "/v1/namespaces/{nsid}/policies/{pol}/disable",
        "disablePolicy",
        "Has a policy act no more.",
    ),
    send::<Nothing, Disabled>(
        "POST",
        "/v1/namespaces/{nsid}/policies/{pol}/enable",
        "enablePolicy",
        "Has a policy act again.",
    ),
    get::<List<Binding>>("/v1/namespaces/{nsid}/policies/{pol}/bindings", "listBindings", "What a policy is bound to."),
    get::<List<Policy>>(
        "/v1/namespaces/{nsid}/principals/{principal_type}/{principal_id}/policies",
        "listPoliciesOfPrincipal",
        "What is bound to a principal itself.",
    ),
    get::<List<Budget>>("/v1/namespaces/{nsid}/budgets", "listBudgets", "Budgets, the oldest first."),
    make::<NewBudget, Budget>("/v1/namespaces/{nsid}/budgets", "createBudget", "Makes a budget."),
    get::<Budget>("/v1/namespaces/{nsid}/budgets/{budget}", "getBudget", "One budget."),
    send::<BudgetChange, Budget>(
        "PUT",
        "/v1/namespaces/{nsid}/budgets/{budget}",
        "changeBudget",
        "Changes what is named of a budget.",
    ),
    delete::<Deleted>("/v1/namespaces/{nsid}/budgets/{budget}", "deleteBudget", "Deletes a budget with its bindings."),
    get::<List<Preset>>("/v1/namespaces/{nsid}/presets", "listPresets", "Presets, the oldest first."),
    make::<NewPreset, Preset>("/v1/namespaces/{nsid}/presets", "createPreset", "Makes a preset."),
    get::<Preset>("/v1/namespaces/{nsid}/presets/{preset}", "getPreset", "One preset."),
    send::<PresetChange, Preset>(
        "PUT",
        "/v1/namespaces/{nsid}/presets/{preset}",
        "changePreset",
        "Changes or drops clauses of a preset.",
    ),
    delete::<Deleted>("/v1/namespaces/{nsid}/presets/{preset}", "deletePreset", "Deletes a preset with its bindings."),
    get::<List<OauthClient>>(
        "/v1/namespaces/{nsid}/oauth/clients",
        "listOauthClients",
        "Programs that may ask the people of the namespace for tokens, the oldest first.",
    ),
    make::<NewOauthClient, RegisteredOauthClient>(
        "/v1/namespaces/{nsid}/oauth/clients",
        "registerOauthClient",
        "Registers a program, whose secret is shown this once.",
    ),
    send::<OauthClientChange, OauthClient>(
        "PUT",
        "/v1/namespaces/{nsid}/oauth/clients/{client_id}",
        "changeOauthClient",
        "Changes what is named of a program; a list replaces the one before.",
    ),
    delete::<DeletedClient>(
        "/v1/namespaces/{nsid}/oauth/clients/{client_id}",
        "deleteOauthClient",
        "Deletes a program: its tokens end.",
    ),
    get::<List<Session>>(
        "/v1/namespaces/{nsid}/sessions",
        "listSessions",
        "The programs that are signed in, the newest first.",
    ),
    delete::<EndedSession>("/v1/namespaces/{nsid}/sessions/{tok}", "revokeSession", "Signs a program out."),
    get::<Usage>("/v1/namespaces/{nsid}/usage", "getUsage", "What calls in a window came to."),
    get::<Page<RequestRow>>("/v1/namespaces/{nsid}/requests", "listRequests", "Calls, the newest first."),
    get::<RequestRow>("/v1/namespaces/{nsid}/requests/{req}", "getRequest", "One call."),
    get::<Settlement>("/v1/requests/{request_id}/settlement", "getSettlement", "What a call was charged."),
    get::<Balance>("/v1/billing/balance", "getBalance", "What is left of the credit."),
    get::<Page<Transaction>>(
        "/v1/billing/transactions",
        "listTransactions",
        "What the credit is made of, the newest first.",
    ),
    make::<NewCheckout, CheckoutSession>(
        "/v1/billing/checkout/sessions",
        "createCheckout",
        "Makes a page on which credit is bought.",
    ),
    send::<Event, Received>("POST", "/v1/billing/stripe/webhook", "takeStripeEvent", "Takes an event of Stripe's."),
    Operation {
        is_tagged: true,
        ..get::<EncryptionKey>(
            "/v1/byok/encryption-pubkey",
            "getEncryptionKey",
            "What provider keys are sealed against now; 304 for an `If-None-Match` with its `kek_id`.",
        )
    },
    get::<List<StoredKey>>(
        "/v1/byok/keys",
        "listStoredKeys",
        "The provider keys that the person behind the credential has stored, without themselves.",
    ),
    make::<NewStoredKey, SubmittedKey>(
        "/v1/byok/keys",
        "submitStoredKey",
        "Stores a sealed provider key, in the place of the one for the same provider.",
    ),
    delete::<Deleted>("/v1/byok/keys/{provider}", "deleteStoredKey", "Deletes a provider key; calls that run end."),
    get::<Discovery>("/api/v1/auth/discovery", "discoverSignIn", "How a `tokenroute` client signs in."),
    get::<Me>("/api/v1/me", "getMe", "The person behind the credential, with what is left of the credit."),
    get::<BalanceInDollars>("/api/v1/balance", "getBalanceInDollars", "What is left of the credit."),
    get::<Vec<ListedKey>>(
        "/api/v1/me/keys",
        "listMyKeys",
        "API keys of the credential's namespace, those too that were revoked in the last 90 days.",
    ),
    make::<NewTokenrouteKey, CreatedKey>(
        "/api/v1/me/keys",
        "createMyKey",
        "Makes a key for calls, which is shown this once.",
    ),
    delete::<RevokedKey>("/api/v1/me/keys/{key}", "revokeMyKey", "Revokes a key with all that were minted with it."),
    make::<NewTopUp, TopUp>("/api/v1/topup", "topUp", "Makes a page on which credit is bought."),
    get::<UsageOfDays>("/api/v1/me/usage", "getMyUsage", "What the calls of the last days came to that succeeded."),
    get::<NodeUsage>("/v1/node/usage", "getNodeUsage", "What calls in a window came to, by namespace."),
    get::<Account>("/v1/account", "getAccount", "The person behind the credential."),
    send::<AccountChange, Account>("PATCH", "/v1/account", "changeAccount", "Changes how the person is called."),
    delete::<Deleted>("/v1/account", "deleteAccount", "Removes the person with all that is the person's own."),
];
