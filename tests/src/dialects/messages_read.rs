//! Anthropic's dialect, as read: what it refuses, in its own words.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    mind::Asked,
    refusal::{self, Refusal},
    script::Script,
    turn::is_signed,
};
use crate::provider::Request;

const VERSIONS: [&str; 3] = ["2023-01-01", "2023-06-01", "2026-10-21"];

/// The members of a request that need no beta.
const MEMBERS: [&str; 18] = [
    "max_tokens",
    "messages",
    "model",
    "stream",
    "stop_sequences",
    "system",
    "thinking",
    "tool_choice",
    "tools",
    "metadata",
    "output_config",
    "service_tier",
    "speed",
    "cache_control",
    "container",
    "inference_geo",
    "user_profile_id",
    "workspace_id",
];
/// The members that `anthropic-beta` opens.
const BETA: [&str; 10] = [
    "output_format",
    "context_management",
    "fallback_credit_token",
    "fallbacks",
    "mcp_servers",
    "billing_policy",
    "compaction",
    "diagnostics",
    "safeguards",
    "thread",
];
/// What only versions before 2026-10-21 take.
const SAMPLING: [&str; 3] = ["temperature", "top_p", "top_k"];

/// Checks key and version. Where both headers carry a key, `x-api-key` counts.
pub(super) fn head(script: &Script, request: &Request) -> Result<(), Refusal> {
    let key = request.header("x-api-key").or_else(|| request.key());
    let key = key.ok_or_else(|| Refusal::new(401, "x-api-key header is required"))?;
    if script.wanted_key().is_some_and(|wanted| wanted != key) {
        return Err(Refusal::new(401, "invalid x-api-key"));
    }
    let version = request.header("anthropic-version");
    let version = version.ok_or_else(|| Refusal::bad("anthropic-version: header is required"))?;
    if !VERSIONS.contains(&version) {
        return Err(Refusal::bad(format!("anthropic-version: \"{version}\" is not a valid version")));
    }
    Ok(())
}

/// Reads a request; `counting`, one for `count_tokens`.
pub(super) fn body(request: &Request, counting: bool) -> Result<Asked, Refusal> {
    if !request.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(Refusal::bad("Invalid content type: expected application/json"));
    }
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|e| Refusal::bad(format!("The request body is not valid JSON: {e}")))?;
    let required: &[&str] = if counting { &["model", "messages"] } else { &["model", "max_tokens", "messages"] };
    for name in required {
        if body[name].is_null() {
            return Err(Refusal::bad(format!("{name}: Field required")));
        }
    }
    let modern = request.header("anthropic-version") == Some("2026-10-21");
    let beta: &[&str] = if request.header("anthropic-beta").is_some() { &BETA } else { &[] };
    let extra = refusal::unknown(&body, &[&MEMBERS[..], &SAMPLING, beta].concat());
    let sampling = SAMPLING.into_iter().find(|name| modern && !body[name].is_null());
    let counted = ["max_tokens", "stream"].into_iter().find(|name| counting && !body[name].is_null());
    if let Some(name) = extra.or(sampling).or(counted) {
        return Err(Refusal::bad(format!("{name}: Extra inputs are not permitted")));
    }
    thinking(&body)?;
    let messages = body["messages"].as_array().ok_or_else(|| Refusal::bad("messages: Input should be a valid list"))?;
    conversation(messages, body["thinking"]["type"] == "enabled", modern)?;
    let mut asked = Asked {
        model: body["model"].as_str().ok_or_else(|| Refusal::bad("model: Input should be a valid string"))?.to_owned(),
        stream: body["stream"] == true,
        tools: tools(&body)?,
        one_by_one: body["tool_choice"]["disable_parallel_tool_use"] == true,
        thinking: ["enabled", "adaptive"].iter().any(|kind| body["thinking"]["type"] == *kind),
        schema: schema(&body)?,
        cached: body.to_string().contains("\"cache_control\""),
        ..Asked::default()
    };
    let last = messages.iter().rposition(|message| message["role"] == "user");
    if let Some(last) = last {
        last_turn(&mut asked, last, &messages[last])?;
    }
    Ok(asked)
}

fn thinking(body: &Value) -> Result<(), Refusal> {
    let Some(budget) = body["thinking"]["budget_tokens"].as_u64() else {
        let missing = body["thinking"]["type"] == "enabled";
        return if missing { Err(Refusal::bad("thinking.enabled.budget_tokens: Field required")) } else { Ok(()) };
    };
    if budget < 1024 {
        return Err(Refusal::bad("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"));
    }
    if body["max_tokens"].as_u64().is_some_and(|most| most <= budget) {
        return Err(Refusal::bad("`max_tokens` must be greater than `thinking.budget_tokens`."));
    }
    Ok(())
}

fn schema(body: &Value) -> Result<Option<Value>, Refusal> {
    let format =
        if body["output_format"].is_null() { &body["output_config"]["format"] } else { &body["output_format"] };
    if format.is_null() {
        return Ok(None);
    }
    if format["type"] != "json_schema" || !format["schema"].is_object() {
        return Err(Refusal::bad("output_config.format.schema: Field required"));
    }
    Ok(Some(format["schema"].clone()))
}

fn tools(body: &Value) -> Result<Vec<(String, Value)>, Refusal> {
    if body["tool_choice"]["type"] == "none" {
        return Ok(Vec::new());
    }
    let tools = body["tools"].as_array().into_iter().flatten().enumerate();
    let tools = tools.filter(|(_, tool)| tool["type"].is_null() || tool["type"] == "custom");
    let tools = tools.map(|(number, tool)| {
        let required = |name: &str| Refusal::bad(format!("tools.{number}.custom.{name}: Field required"));
        let name = tool["name"].as_str().ok_or_else(|| required("name"))?;
        let schema = Some(&tool["input_schema"]).filter(|schema| schema["type"] == "object");
        Ok((name.to_owned(), schema.ok_or_else(|| required("input_schema"))?.clone()))
    });
    tools.collect()
}

/// The blocks of a message; a plain string is one block of text.
fn blocks(message: &Value) -> Vec<Value> {
    match &message["content"] {
        Value::String(text) => vec![serde_json::json!({"type": "text", "text": text})],
        Value::Array(blocks) => blocks.clone(),
        _ => Vec::new(),
    }
}

fn conversation(messages: &[Value], thinks: bool, modern: bool) -> Result<(), Refusal> {
    if messages.is_empty() {
        return Err(Refusal::bad("messages: at least one message is required"));
    }
    let mut open: BTreeSet<String> = BTreeSet::new();
    for (number, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if !["user", "assistant", "system"].contains(&role) {
            return Err(Refusal::bad(format!("messages.{number}.role: Input should be 'user' or 'assistant'")));
        }
        let blocks = blocks(message);
        answered(number, role, &blocks, &open)?;
        open = ids(&blocks, "tool_use", "id");
        for (place, block) in blocks.iter().enumerate() {
            let at = format!("messages.{number}.content.{place}");
            let text = block["thinking"].as_str().unwrap_or_default();
            if block["type"] == "thinking" && !is_signed(text, block["signature"].as_str().unwrap_or_default()) {
                return Err(Refusal::bad(format!("{at}: Invalid `signature` in `thinking` block")));
            }
            if modern && role == "assistant" && block["type"] == "document" {
                return Err(Refusal::bad(format!(
                    "{at}: Input tag 'document' found using 'type' does not match any of the expected tags"
                )));
            }
        }
        let bare = blocks.first().is_some_and(|block| block["type"] != "thinking");
        if thinks && role == "assistant" && !open.is_empty() && bare {
            return Err(Refusal::bad(format!(
                "messages.{number}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. \
                 When `thinking` is enabled, a final `assistant` message must start with a thinking block"
            )));
        }
    }
    unanswered(messages.len() - 1, &open)
}

fn ids(blocks: &[Value], kind: &str, member: &str) -> BTreeSet<String> {
    let blocks = blocks.iter().filter(|block| block["type"] == kind);
    blocks.filter_map(|block| block[member].as_str().map(str::to_owned)).collect()
}

/// Each call of the message before has its result in this one, and each result its call.
fn answered(number: usize, role: &str, blocks: &[Value], open: &BTreeSet<String>) -> Result<(), Refusal> {
    if role == "system" && open.is_empty() {
        return Ok(());
    }
    let results = ids(blocks, "tool_result", "tool_use_id");
    if let Some(id) = results.difference(open).next() {
        return Err(Refusal::bad(format!(
            "messages.{number}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each \
             `tool_result` block must have a corresponding `tool_use` block in the previous message."
        )));
    }
    let left = open.difference(&results).cloned().collect();
    unanswered(number.saturating_sub(1), &left)
}

fn unanswered(number: usize, open: &BTreeSet<String>) -> Result<(), Refusal> {
    let Some(id) = open.first() else { return Ok(()) };
    Err(Refusal::bad(format!(
        "messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}. Each \
         `tool_use` block must have a corresponding `tool_result` block in the next message."
    )))
}

fn last_turn(asked: &mut Asked, number: usize, message: &Value) -> Result<(), Refusal> {
    for (place, block) in blocks(message).iter().enumerate() {
        match block["type"].as_str().unwrap_or_default() {
            "text" => asked.text.push_str(block["text"].as_str().unwrap_or_default()),
            "tool_result" => asked.results.push(result(&block["content"])),
            "image" if block["source"]["type"] == "base64" => {
                let source = &block["source"];
                let (kind, data) = (source["media_type"].as_str(), source["data"].as_str());
                let length = kind.zip(data).and_then(|(kind, data)| refusal::image(kind, data));
                let wrong =
                    || format!("messages.{number}.content.{place}.image.source.base64: Could not process image");
                asked.images.push((kind.unwrap_or_default().to_owned(), length.ok_or_else(|| Refusal::bad(wrong()))?));
            }
            _ => {}
        }
    }
    Ok(())
}

fn result(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        _ => String::new(),
    }
}
