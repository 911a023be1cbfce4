//! What is sent with a request, where no type of `bitrouter_proto::account` says so.

#![expect(
    dead_code,
    reason = "these say what is read; handlers take bodies apart member by member, so that errors can name one"
)]

use bitrouter_proto::account::{
    policy::{BudgetSpec, Funding, GuardrailSpec, PolicyKind, PresetSpec, PrincipalType, RateLimitSpec, Window},
    schema::has_one_clause,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// A namespace that is to be made.
#[derive(JsonSchema, Deserialize)]
pub(super) struct NewNamespace {
    /// What it is to be called: 1 to 128 characters, one of which can be seen.
    #[schemars(length(min = 1, max = 128))]
    name: String,
}

/// Somebody who is to be a member. The person is named by one of `person_id` and `name`.
#[derive(JsonSchema, Deserialize)]
#[schemars(transform = by_one_of_two)]
pub(super) struct NewMember {
    /// Who, by id.
    person_id: Option<String>,
    /// Who, by the name that the person signs in with.
    name: Option<String>,
    /// What the person is to be able to do.
    role: GivenRole,
}

/// What can be given to somebody else.
#[derive(JsonSchema, Deserialize)]
#[schemars(rename_all = "snake_case", inline)]
enum GivenRole {
    Viewer,
    Member,
    Admin,
}

fn by_one_of_two(schema: &mut schemars::Schema) {
    schema.insert("oneOf".to_owned(), serde_json::json!([{"required": ["person_id"]}, {"required": ["name"]}]));
}

/// What changes in an account.
#[derive(JsonSchema, Deserialize)]
pub(super) struct AccountChange {
    /// How the person wants to be called: 1 to 128 characters, one of which can be seen.
    #[schemars(length(min = 1, max = 128))]
    display_name: String,
}

/// Credit that is to be bought.
#[derive(JsonSchema, Deserialize)]
pub(super) struct NewCheckout {
    /// Cents of a US dollar.
    #[schemars(range(min = 50, max = 100_000_000))]
    amount_cents: i64,
}

/// An event of Stripe's.
#[derive(JsonSchema, Deserialize)]
pub(super) struct Event {
    /// What happened.
    r#type: String,
    /// Whether money moved.
    livemode: bool,
    /// What it happened to.
    data: serde_json::Map<String, serde_json::Value>,
}

/// A policy that is to be made.
#[derive(JsonSchema, Deserialize)]
#[schemars(transform = of_each_kind)]
pub(super) struct NewPolicy {
    /// What it is to be called: 1 to 128 characters, one of which can be seen.
    #[schemars(length(min = 1, max = 128))]
    name: String,
    /// What it is.
    kind: PolicyKind,
    /// What it says, as its kind has it.
    spec: AnySpec,
}

/// What a policy says.
#[derive(JsonSchema, Deserialize)]
#[serde(untagged)]
enum AnySpec {
    Budget(BudgetSpec),
    RateLimit(RateLimitSpec),
    Guardrail(GuardrailSpec),
    Preset(PresetSpec),
}

/// Says which of the specs goes with which kind.
fn of_each_kind(schema: &mut schemars::Schema) {
    let specs = schema.pointer("/properties/spec/anyOf").and_then(serde_json::Value::as_array).cloned();
    let pairs = PolicyKind::ALL.iter().zip(specs.unwrap_or_default());
    let each = pairs.map(|(kind, spec)| {
        serde_json::json!({"properties": {"name": true, "kind": {"const": kind.as_str()}, "spec": spec}})
    });
    let each: Vec<serde_json::Value> = each.collect();
    if let Some(properties) = schema.get_mut("properties") {
        properties["spec"] = serde_json::json!({"type": "object"});
    }
    schema.insert("oneOf".to_owned(), each.into());
}

/// What changes in a policy; what is said of it is replaced as a whole.
#[derive(JsonSchema, Deserialize)]
pub(super) struct PolicyChange {
    /// What it is to be called from now on.
    #[schemars(length(min = 1, max = 128))]
    name: Option<String>,
    /// What it is to say from now on, as its kind has it.
    spec: Option<AnySpec>,
}

/// A budget that is to be made.
#[derive(JsonSchema, Deserialize)]
pub(super) struct NewBudget {
    /// What it is to be called: 1 to 128 characters, one of which can be seen.
    #[schemars(length(min = 1, max = 128))]
    name: String,
    /// The window.
    window: Window,
    /// The most, in millionths of a US dollar.
    #[schemars(range(min = 1, max = i64::MAX))]
    limit_micro_usd: i64,
    /// What counts; `any` where nothing is said.
    funding: Option<Funding>,
}

/// What changes in a budget; the rest stays.
#[derive(JsonSchema, Deserialize)]
pub(super) struct BudgetChange {
    /// What it is to be called from now on.
    #[schemars(length(min = 1, max = 128))]
    name: Option<String>,
    /// The window.
    window: Option<Window>,
    /// The most, in millionths of a US dollar.
    #[schemars(range(min = 1, max = i64::MAX))]
    limit_micro_usd: Option<i64>,
    /// What counts.
    funding: Option<Funding>,
}

/// A preset that is to be made: at least one clause.
#[derive(JsonSchema, Deserialize)]
#[schemars(transform = has_one_clause)]
pub(super) struct NewPreset {
    /// What it is to be called: 1 to 128 characters, one of which can be seen.
    #[schemars(length(min = 1, max = 128))]
    name: String,
    /// What may be called.
    guardrail: Option<GuardrailSpec>,
    /// How much may be spent.
    budget: Option<BudgetSpec>,
    /// How often.
    rate_limit: Option<RateLimitSpec>,
}

/// What changes in a preset; a clause that is not named stays.
#[derive(JsonSchema, Deserialize)]
pub(super) struct PresetChange {
    /// What it is to be called from now on.
    #[schemars(length(min = 1, max = 128))]
    name: Option<String>,
    /// What may be called.
    guardrail: Option<GuardrailSpec>,
    /// How much may be spent.
    budget: Option<BudgetSpec>,
    /// How often.
    rate_limit: Option<RateLimitSpec>,
    /// Drops the clause.
    clear_guardrail: Option<bool>,
    /// Drops the clause.
    clear_budget: Option<bool>,
    /// Drops the clause.
    clear_rate_limit: Option<bool>,
}

/// What a policy is to be bound to.
#[derive(JsonSchema, Deserialize)]
pub(super) struct NewBinding {
    /// What kind of principal.
    principal_type: PrincipalType,
    /// Which one.
    principal_id: String,
}

/// Nothing needs to be said, and nothing can be.
#[derive(JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}
