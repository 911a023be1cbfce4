//! Every reply of these tests is held against what `GET /openapi.json` says of it: the status stands there, and the body fits.

use http::{Method, StatusCode};
use regex_automata::meta::Regex;
use serde_json::Value;

use super::support::{Reply, TestNode};

/// The document, as anybody gets it.
async fn document(test: &TestNode) -> Value {
    test.get("/openapi.json").await.ok()
}

/// Panics where the reply to `method` at `path` is not as the document has it.
pub async fn check(test: &TestNode, method: &Method, path: &str, reply: &Reply) {
    let document = document(test).await;
    let Some(operation) = operation(&document, method, path) else { return };
    let status = reply.status.as_str();
    let described = &operation["responses"][status];
    assert!(described.is_object(), "{method} {path}: {status} is not described");
    let described = resolved(described, &document);
    let schema = &described["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{method} {path}: {status} has no schema");
    fits(schema, &reply.json(), &document).unwrap_or_else(|why| panic!("{method} {path}: {status}: {why}"));
    assert_eq!(reply.status == StatusCode::OK, status == "200");
}

/// Whether a body fits what the document has of `method` at `path`; `None` where it takes none.
pub fn admits(document: &Value, method: &Method, path: &str, body: &Value) -> Option<Result<(), String>> {
    let described = operation(document, method, path)?.get("requestBody")?;
    Some(fits(&described["content"]["application/json"]["schema"], body, document))
}

/// Panics where a body that was taken is none that the document has.
pub async fn check_body(test: &TestNode, method: &Method, path: &str, body: &[u8]) {
    let Ok(body) = serde_json::from_slice(body) else { return };
    if let Some(Err(why)) = admits(&document(test).await, method, path, &body) {
        panic!("{method} {path} takes what is not described: {why}");
    }
}

/// What is said of `method` at `path`: the path with the most fixed parts.
fn operation<'d>(document: &'d Value, method: &Method, path: &str) -> Option<&'d Value> {
    let method = method.as_str().to_ascii_lowercase();
    let is_of = |pattern: &str| {
        let (mut wanted, mut sent) = (pattern.split('/'), path.split('/'));
        loop {
            match (wanted.next(), sent.next()) {
                (None, None) => return true,
                (Some(wanted), Some(sent)) if wanted == sent || (wanted.starts_with('{') && !sent.is_empty()) => {}
                _ => return false,
            }
        }
    };
    let paths = document["paths"].as_object().unwrap().iter();
    let fitting = paths.filter(|(pattern, _)| is_of(pattern));
    fitting.min_by_key(|(pattern, _)| pattern.matches('{').count())?.1.get(method)
}

fn resolved<'d>(schema: &'d Value, document: &'d Value) -> &'d Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => document
            .pointer(reference.strip_prefix('#').unwrap())
            .unwrap_or_else(|| panic!("`{reference}` leads nowhere")),
        None => schema,
    }
}

/// Whether `value` is as `schema` has it (JSON Schema 2020-12, as far as the document uses it).
fn fits(schema: &Value, value: &Value, document: &Value) -> Result<(), String> {
    let Some(rules) = schema.as_object() else {
        return if schema == &Value::Bool(false) { Err(format!("{value} is one too many")) } else { Ok(()) };
    };
    let wrong = |what: &str| Err(format!("{value} {what} {schema}"));
    for (rule, said) in rules {
        match rule.as_str() {
            "$ref" => fits(resolved(schema, document), value, document)?,
            "type" => {
                let names: Vec<&str> = match said {
                    Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
                    name => name.as_str().into_iter().collect(),
                };
                if !names.iter().any(|name| is_a(name, value)) {
                    return wrong("is of no type of");
                }
            }
            "enum" if !said.as_array().unwrap().contains(value) => return wrong("is none of"),
            "const" if said != value => return wrong("is not"),
            "anyOf" | "oneOf" => {
                let of = said.as_array().unwrap().iter().filter(|one| fits(one, value, document).is_ok()).count();
                if of == 0 || (rule == "oneOf" && of > 1) {
                    return wrong("fits the wrong number of");
                }
            }
            "allOf" => said.as_array().unwrap().iter().try_for_each(|one| fits(one, value, document))?,
            "required" => {
                let missing = said
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|name| value.is_object() && value.get(name.as_str().unwrap()).is_none());
                if let Some(name) = missing {
                    return Err(format!("{name} is missing in {value}"));
                }
            }
            "properties" => {
                for (name, of) in said.as_object().unwrap() {
                    value.get(name).map_or(Ok(()), |member| fits(of, member, document))?;
                }
            }
            "additionalProperties" => {
                let known = rules.get("properties").and_then(Value::as_object);
                for (name, member) in value.as_object().into_iter().flatten() {
                    if known.is_none_or(|known| !known.contains_key(name)) {
                        fits(said, member, document)?;
                    }
                }
            }
            "items" => value.as_array().into_iter().flatten().try_for_each(|item| fits(said, item, document))?,
            "minimum" if is_less(value, said) => return wrong("is less than"),
            "maximum" if is_less(said, value) => return wrong("is more than"),
            "minLength" if characters(value).is_some_and(|count| Some(count) < said.as_u64()) => {
                return wrong("is shorter than");
            }
            "maxLength" if characters(value).is_some_and(|count| Some(count) > said.as_u64()) => {
                return wrong("is longer than");
            }
            "minItems" if items(value).is_some_and(|count| Some(count) < said.as_u64()) => {
                return wrong("has fewer items than");
            }
            "maxItems" if items(value).is_some_and(|count| Some(count) > said.as_u64()) => {
                return wrong("has more items than");
            }
            "not" if fits(said, value, document).is_ok() => return wrong("is what must not be by"),
            "format" if said == "date-time" && value.as_str().is_some_and(|text| !is_time(text)) => {
                return wrong("is no time of");
            }
            "pattern" => {
                let pattern = Regex::new(said.as_str().unwrap()).unwrap();
                if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                    return wrong("does not match");
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Compared as whole numbers where both are: a float has no room for the largest.
fn is_less(one: &Value, other: &Value) -> bool {
    let whole = |value: &Value| value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one < other,
        _ => one.as_f64().zip(other.as_f64()).is_some_and(|(one, other)| one < other),
    }
}

fn characters(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}

fn items(value: &Value) -> Option<u64> {
    value.as_array().map(|items| items.len() as u64)
}

fn is_time(text: &str) -> bool {
    let shape = r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$";
    Regex::new(shape).unwrap().is_match(text)
}

fn is_a(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("`{other}` is no type"),
    }
}

#[test]
fn what_does_not_fit_is_seen() {
    let document = serde_json::json!({"components": {"schemas": {"A": {
        "type": "object", "required": ["id"], "additionalProperties": false,
        "properties": {
            "id": {"type": "string", "pattern": "^ns_[0-9]$"}, "n": {"type": ["integer", "null"], "minimum": 0},
            "list": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"enum": ["a", "b"]}},
            "big": {"type": "integer", "maximum": i64::MAX},
            "name": {"type": ["string", "null"], "minLength": 1, "maxLength": 2},
            "at": {"type": "string", "format": "date-time"},
            "some": {"not": {"type": "null"}},
        },
    }}}});
    let schema = serde_json::json!({"$ref": "#/components/schemas/A"});
    for (value, does) in [
        (r#"{"id":"ns_1","n":null,"list":["a"]}"#, true),
        (r#"{"n":1}"#, false),
        (r#"{"id":1}"#, false),
        (r#"{"id":"ns_x"}"#, false),
        (r#"{"id":"ns_1","n":-1}"#, false),
        (r#"{"id":"ns_1","n":1.5}"#, false),
        (r#"{"id":"ns_1","list":["c"]}"#, false),
        (r#"{"id":"ns_1","more":1}"#, false),
        (r#"{"id":"ns_1","list":[]}"#, false),
        (r#"{"id":"ns_1","list":["a","a","a"]}"#, false),
        (r#"{"id":"ns_1","big":9223372036854775807}"#, true),
        (r#"{"id":"ns_1","big":9223372036854775808}"#, false),
        (r#"{"id":"ns_1","name":"éé"}"#, true),
        (r#"{"id":"ns_1","name":null}"#, true),
        (r#"{"id":"ns_1","name":""}"#, false),
        (r#"{"id":"ns_1","name":"ééé"}"#, false),
        (r#"{"id":"ns_1","at":"2026-05-01T00:00:00Z"}"#, true),
        (r#"{"id":"ns_1","at":"tomorrow"}"#, false),
        (r#"{"id":"ns_1","some":null}"#, false),
        ("[]", false),
    ] {
        assert_eq!(fits(&schema, &serde_json::from_str(value).unwrap(), &document).is_ok(), does, "{value}");
    }
}
