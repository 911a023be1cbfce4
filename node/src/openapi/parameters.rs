//! What stands in paths, queries and headers.

use serde_json::{Value, json};

/// What a ULID looks like, in any case.
const ULID: &str = "[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}";

/// The parameter of a path that the table writes as `{name}`.
pub(super) fn of_path(name: &str) -> Value {
    let (schema, words) = match name {
        "nsid" => {
            let pattern = format!("^([nN][sS]_{ULID}|me)$");
            (json!({"type": "string", "pattern": pattern}), "A namespace; `me` is that of the credential.")
        }
        "tok" => id("tok", "A session."),
        "req" => id("req", "The row of a call."),
        "key" => id("key", "An API key."),
        "pol" | "budget" | "preset" => id("pol", "A policy."),
        "client_id" => id("brc", "An OAuth client."),
        "bnd" => id("bnd", "What binds a policy to a principal."),
        "usr" => id("usr", "A person."),
        "provider" => (json!({"type": "string", "pattern": "^[a-z0-9-]+$"}), "A provider, by its id in the registry."),
        "request_id" => {
            let schema = json!({"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9_-]+$"});
            (schema, "A call, by the row's id or by the id that its caller knows it by.")
        }
        "principal_type" => {
            let types = ["namespace", "api_key", "oauth_token", "oauth_client", "user"];
            (json!({"type": "string", "enum": types}), "What kind of principal.")
        }
        _ => (json!({"type": "string", "minLength": 1}), "Which one."),
    };
    json!({"name": name, "in": "path", "required": true, "description": words, "schema": schema})
}

fn id(prefix: &str, words: &'static str) -> (Value, &'static str) {
    let letters: String = prefix.chars().flat_map(|c| ['[', c, c.to_ascii_uppercase(), ']']).collect();
    (json!({"type": "string", "pattern": format!("^{letters}_{ULID}$")}), words)
}

/// A parameter of a query, by the name that the table has.
pub(super) fn of_query(name: &str) -> Value {
    let most = i64::MAX - 1;
    let (schema, words) = match name {
        "limit" => (
            json!({"type": "integer", "default": 25}),
            "Rows of a page, 1 to 100; what lies outside is taken for the nearest.",
        ),
        "offset" => {
            (json!({"type": "integer", "minimum": 0, "maximum": most, "default": 0}), "Rows that are left out.")
        }
        "after" => (
            json!({"type": "integer", "minimum": 0, "maximum": most}),
            "Only rows that changed after this `seq`, the lowest first.",
        ),
        "cursor" => (json!({"type": "string"}), "What the page before said in `next_cursor`."),
        "from" => (json!({"type": "string", "format": "date-time"}), "The beginning of the window, inclusive."),
        "to" => (json!({"type": "string", "format": "date-time"}), "The end of the window, exclusive."),
        "days" => {
            (json!({"type": "integer", "minimum": 1, "maximum": 365, "default": 30}), "How many days, until now.")
        }
        "kind" => (
            json!({"type": "string", "enum": ["budget", "rate_limit", "guardrail", "preset"]}),
            "Only policies of this kind.",
        ),
        "keys" => (json!({"type": "string", "enum": ["keep"]}), "`keep`: the keys that were minted through it stay."),
        "principal_type" => {
            let types = ["namespace", "api_key", "oauth_token", "oauth_client", "user"];
            (json!({"type": "string", "enum": types}), "What kind of principal.")
        }
        "principal_id" => (json!({"type": "string", "minLength": 1}), "Which one."),
        _ => (json!({"type": "string"}), "See the guide."),
    };
    json!({"name": name, "in": "query", "required": matches!(name, "principal_type" | "principal_id"), "description": words, "schema": schema})
}

/// The header of a POST that makes something.
pub(super) fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": false,
        "description": "The same call with the same key makes nothing more, for a day, and is answered as the first one was.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    })
}

/// The header of what was made, where it was made by an earlier call with the same key.
pub(super) fn replayed() -> Value {
    json!({"Idempotency-Replayed": {
        "description": "`true` where an earlier call with this `Idempotency-Key` has made it.",
        "schema": {"type": "string", "enum": ["true"]},
    }})
}

/// The header of somebody who has kept a reply.
pub(super) fn if_none_match() -> Value {
    json!({
        "name": "If-None-Match", "in": "header", "required": false,
        "description": "The tag of what was kept: where it is as it was, nothing is sent.",
        "schema": {"type": "string"},
    })
}

/// The header of an event.
pub(super) fn signature() -> Value {
    json!({
        "name": "Stripe-Signature", "in": "header", "required": true,
        "description": "A time and HMAC-SHA-256 values, as Stripe makes them.",
        "schema": {"type": "string"},
    })
}
