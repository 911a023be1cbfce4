//! What JSON Schema says of the resources beyond the types of their members.

use schemars::Schema;
use serde_json::{Value, json};

/// Of a rate limit: one of its maxima is there.
pub(super) fn has_one_maximum(schema: &mut Schema) {
    has_one_of(schema, &["max_requests", "max_tokens"]);
}

/// Of a preset: one of its clauses is there.
pub fn has_one_clause(schema: &mut Schema) {
    has_one_of(schema, &["guardrail", "budget", "rate_limit"]);
}

/// `null` is as good as nothing.
fn has_one_of(schema: &mut Schema, members: &[&str]) {
    let one = |member: &&str| {
        let mut properties = serde_json::Map::new();
        properties.insert((*member).to_owned(), json!({"not": {"type": "null"}}));
        json!({"required": [member], "properties": properties})
    };
    schema.insert("anyOf".to_owned(), members.iter().map(one).collect());
}

/// Of several guardrails together: what their lists and patterns come to has no bound of its own, and may be nothing.
pub(super) fn of_any_length(schema: &mut Schema) {
    let Some(Value::Object(members)) = schema.get_mut("properties") else { return };
    for member in members.values_mut() {
        loosen(member);
    }
}

fn loosen(schema: &mut Value) {
    let Value::Object(rules) = schema else { return };
    for bound in ["minItems", "maxItems", "maxLength"] {
        rules.remove(bound);
    }
    if let Some(items) = rules.get_mut("items") {
        loosen(items);
    }
}
