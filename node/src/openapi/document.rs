//! The document: paths from the table of endpoints, schemas from the types.

use std::collections::BTreeMap;

use bitrouter_proto::{VERSION, account::ScopeSet};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    operations::{OPERATIONS, Operation},
    parameters,
};
use crate::http::{Access, Endpoint, Kind, all_endpoints};

/// What an error looks like.
#[derive(JsonSchema)]
#[expect(dead_code, clippy::struct_field_names, reason = "it says what `http::error` writes")]
struct Error {
    /// What went wrong, as programs read it.
    error: ErrorCode,
    /// The same for people, with what helps.
    error_description: String,
    /// The member of the body, the parameter or the header that is meant.
    #[schemars(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What a provider key is to be sealed against, where it was sealed against something else.
    #[schemars(skip_serializing_if = "Option::is_none")]
    current_kek_id: Option<String>,
    /// The caller's role in the namespace, where that is what does not allow the call.
    #[schemars(skip_serializing_if = "Option::is_none")]
    role: Option<bitrouter_proto::account::Role>,
}

/// What an error of `/api/v1` looks like.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it says what `http::error` writes")]
struct TokenrouteError {
    /// What went wrong.
    error: TokenrouteRefusal,
}

/// What went wrong, below `/api/v1`.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it says what `http::error` writes")]
struct TokenrouteRefusal {
    /// For people, with what helps; it names the member or parameter that is meant.
    message: String,
    /// For programs: `authentication_error`, `rate_limit_error` and others.
    r#type: String,
    /// The status.
    code: u16,
}

/// Codes of errors.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
#[expect(dead_code, reason = "it says what `http::error` writes")]
enum ErrorCode {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    Conflict,
    OwnPolicy,
    RateLimited,
    Internal,
    Unavailable,
    /// What the listener refuses before anybody is asked who calls.
    HostNotAllowed,
    OriginNotAllowed,
}

/// The endpoints that are described: what is managed, and what is open beside it. OAuth has its metadata (RFC 8414), pages
/// have readers.
fn described() -> impl Iterator<Item = (&'static Endpoint, Option<&'static Operation>)> {
    let is_rest = |endpoint: &&Endpoint| endpoint.kind.is_rest() || endpoint.kind == Kind::Event;
    all_endpoints().filter(is_rest).map(|endpoint| {
        let is_of = |operation: &&Operation| operation.path == endpoint.path && operation.method == endpoint.method;
        (endpoint, OPERATIONS.iter().find(is_of))
    })
}

/// The whole.
pub(super) fn document() -> Value {
    let schemas = |settings: &mut SchemaSettings| {
        "/components/schemas".clone_into(settings.definitions_path.to_mut());
        settings.meta_schema = None;
    };
    let mut replies = SchemaSettings::draft2020_12().with(schemas).for_serialize().into_generator();
    let in_place = |settings: &mut SchemaSettings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    };
    let mut bodies = SchemaSettings::draft2020_12().with(in_place).for_deserialize().into_generator();
    let error = replies.subschema_for::<Error>().to_value();
    let tokenroute = replies.subschema_for::<TokenrouteError>().to_value();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for (endpoint, operation) in described() {
        let Some(operation) = operation else { continue };
        let written = written(endpoint, operation, &mut replies, &mut bodies);
        let method = endpoint.method.as_str().to_ascii_lowercase();
        paths.entry(endpoint.path).or_default().insert(method, written);
    }
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "bitrouter node",
            "version": VERSION,
            "description": "People's resources on a bitrouter node. Success is 200 with JSON. Amounts are millionths of a US dollar, below `/api/v1` dollars as decimal text; times RFC 3339.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": replies.take_definitions(true),
            "responses": {
                "Error": refusal(&error, json!({})),
                "Unauthorized": refusal(&error, header("WWW-Authenticate", "Which scheme of credentials is asked for.")),
                "MethodNotAllowed": refusal(&error, header("Allow", "The methods that there are.")),
                "TokenrouteError": refusal(&tokenroute, json!({})),
                "TokenrouteUnauthorized": refusal(&tokenroute, header("WWW-Authenticate", "Which scheme of credentials is asked for.")),
                "TokenrouteMethodNotAllowed": refusal(&tokenroute, header("Allow", "The methods that there are.")),
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key (`brk_…`) or an access token (`bra_…`)."},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "googleApiKey": {"type": "apiKey", "in": "header", "name": "x-goog-api-key"},
                "queryKey": {"type": "apiKey", "in": "query", "name": "key"},
                "operatorKey": {"type": "http", "scheme": "bearer", "description": "A key of `bitrouter node keys mint`, sent in any way that a key is."},
                "webSession": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token", "description": "With the cookie of a browser that is signed in."},
            },
        },
    })
}

/// A refusal, with the headers that every one of its kind has.
fn refusal(error: &Value, headers: Value) -> Value {
    let mut response = json!({"description": "Why not.", "content": {"application/json": {"schema": error}}});
    if headers.as_object().is_some_and(|headers| !headers.is_empty()) {
        response["headers"] = headers;
    }
    response
}

fn header(name: &str, words: &str) -> Value {
    json!({name: {"description": words, "required": true, "schema": {"type": "string"}}})
}

fn written(
    endpoint: &Endpoint,
    operation: &Operation,
    replies: &mut SchemaGenerator,
    bodies: &mut SchemaGenerator,
) -> Value {
    let names = endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut list: Vec<Value> = names.map(parameters::of_path).collect();
    list.extend(endpoint.parameters.iter().map(|name| parameters::of_query(name)));
    if operation.makes {
        list.push(parameters::idempotency_key());
    }
    if endpoint.kind == Kind::Event {
        list.push(parameters::signature());
    }
    if operation.is_tagged {
        list.push(parameters::if_none_match());
    }
    let mut responses = Map::new();
    let reply = (operation.reply)(replies).to_value();
    let mut done = json!({"description": "Done.", "content": {"application/json": {"schema": reply}}});
    if operation.makes {
        done["headers"] = parameters::replayed();
    }
    if operation.is_tagged {
        let tag = header("ETag", "What stands for this very reply.");
        done["headers"] = tag.clone();
        responses.insert("304".to_owned(), json!({"description": "It is as it was.", "headers": tag}));
    }
    responses.insert("200".to_owned(), done);
    for status in statuses(endpoint, operation) {
        let response = match status {
            401 => "Unauthorized",
            405 => "MethodNotAllowed",
            _ => "Error",
        };
        let family = if endpoint.kind == Kind::Tokenroute { "Tokenroute" } else { "" };
        responses.insert(status.to_string(), json!({"$ref": format!("#/components/responses/{family}{response}")}));
    }
    let mut written = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": list,
        "responses": responses,
        "security": security(endpoint),
    });
    if let Some(body) = operation.body {
        let mut schema = body(bodies).to_value();
        close(&mut schema);
        let required =
            schema.get("required").is_some_and(|required| required.as_array().is_some_and(|all| !all.is_empty()));
        written["requestBody"] = json!({"required": required, "content": {"application/json": {"schema": schema}}});
        if endpoint.kind == Kind::Event {
            // Stripe says more than is read.
            open(&mut written["requestBody"]);
        }
    }
    written
}

/// Every status of an error that an endpoint can answer with.
fn statuses(endpoint: &Endpoint, operation: &Operation) -> Vec<u16> {
    let mut all = vec![400, 403, 404, 405, 408, 413, 415, 429, 500, 503];
    if endpoint.access != Access::Open {
        all.push(401);
    }
    if operation.makes || endpoint.method != http::Method::GET {
        all.push(409);
    }
    all.sort_unstable();
    all
}

/// Which credentials open an endpoint: any one of them.
fn security(endpoint: &Endpoint) -> Value {
    let (scope, takes_tokens) = match endpoint.access {
        Access::Open => return json!([]),
        // A scope that no credential of one namespace can hold is a person's own.
        Access::Scope(scope) => (scope, ScopeSet::GRANTABLE.contains(scope)),
        Access::WebSession(scope) | Access::Operator(scope) => (scope, false),
    };
    let by_token = takes_tokens.then_some(["bearer", "apiKey", "googleApiKey", "queryKey"]);
    let by_operator = endpoint.is_open_to_operator.then_some("operatorKey");
    let all = by_token.into_iter().flatten().chain(by_operator).chain(["webSession"]);
    all.map(|scheme| Value::Object(Map::from_iter([(scheme.to_owned(), json!([scope.as_str()]))]))).collect()
}

/// Says of every object of a body that it has no other members: a strict reader is on the other side. What has no type is no
/// object by itself, but a condition on one.
fn close(schema: &mut Value) {
    visit(schema, &|object| {
        let is_object = match object.get("type") {
            Some(Value::Array(types)) => types.iter().any(|name| name == "object"),
            Some(name) => name == "object",
            None => false,
        };
        if is_object && object.contains_key("properties") && !object.contains_key("additionalProperties") {
            object.insert("additionalProperties".to_owned(), false.into());
        }
    });
}

fn open(schema: &mut Value) {
    visit(schema, &|object| {
        object.remove("additionalProperties");
    });
}

fn visit(value: &mut Value, act: &dyn Fn(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            act(object);
            object.values_mut().for_each(|inner| visit(inner, act));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| visit(inner, act)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_of_rest_is_described_and_nothing_else_is() {
        for (endpoint, operation) in described() {
            assert!(operation.is_some(), "{} {} has no line in `openapi::operations`", endpoint.method, endpoint.path);
        }
        for operation in OPERATIONS {
            let is_there = described().any(|(_, of)| of.is_some_and(|of| of.id == operation.id));
            assert!(is_there, "{} {} is no endpoint", operation.method, operation.path);
        }
        let ids: std::collections::BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), OPERATIONS.len());
    }

    #[test]
    fn no_schema_is_empty_and_every_reference_leads_somewhere() {
        let document = document();
        assert_eq!(
            document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum::<usize>(),
            OPERATIONS.len()
        );
        let text = document.to_string();
        for part in text.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            let says = ["type", "$ref", "anyOf", "oneOf", "enum", "const"];
            assert!(says.iter().any(|word| schema.get(word).is_some()), "`{name}` says nothing: {schema}");
        }
        for path in document["paths"].as_object().unwrap().values() {
            for operation in path.as_object().unwrap().values() {
                let reply = &operation["responses"]["200"]["content"]["application/json"]["schema"];
                assert!(reply.as_object().is_some_and(|schema| !schema.is_empty()), "{operation}");
            }
        }
    }
}
