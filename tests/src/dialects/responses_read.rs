//! OpenAI's Responses API, as read: what is refused, in OpenAI's words.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    chat_read,
    mind::Asked,
    openai_shapes as shapes,
    refusal::{self, Refusal},
    responses_store::Stored,
    turn::is_signed,
};

const MEMBERS: [&str; 36] = [
    "access_programs",
    "background",
    "client_metadata",
    "context_management",
    "conversation",
    "image",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "moderation",
    "parallel_tool_calls",
    "personality",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
    "verbosity",
];

/// Reads a request, for a response or for its count.
pub(super) fn body(body: &Value, stored: &Stored) -> Result<Asked, Refusal> {
    let model = shapes::model(body)?;
    if let Some(name) = refusal::unknown(body, &MEMBERS) {
        return Err(Refusal::bad(format!("Unknown parameter: '{name}'.")).param(name).code("unknown_parameter"));
    }
    chat_read::stream_options(body)?;
    shapes::required(body, "input")?;
    let mut calls = BTreeSet::new();
    if let Some(id) = body["previous_response_id"].as_str() {
        calls = open_calls(stored.output_before(id)?);
    }
    let mut asked = Asked {
        model,
        stream: body["stream"] == true,
        tools: tools(body)?,
        one_by_one: body["parallel_tool_calls"] == false,
        thinking: body["reasoning"].is_object(),
        schema: schema(body)?,
        ..Asked::default()
    };
    match &body["input"] {
        Value::String(text) => asked.text.clone_from(text),
        Value::Array(items) => input(&mut asked, items, calls.clone(), stored)?,
        _ => return Err(Refusal::bad("Invalid type for 'input'.").param("input").code("invalid_type")),
    }
    if body["input"].is_string() && !calls.is_empty() {
        return Err(unanswered(&calls));
    }
    Ok(asked)
}

fn open_calls(output: &Value) -> BTreeSet<String> {
    let calls = output.as_array().into_iter().flatten().filter(|item| item["type"] == "function_call");
    calls.filter_map(|item| item["call_id"].as_str().map(str::to_owned)).collect()
}

fn unanswered(calls: &BTreeSet<String>) -> Refusal {
    let id = calls.first().map(String::as_str).unwrap_or_default();
    Refusal::bad(format!("No tool output found for function call {id}.")).param("input")
}

fn input(asked: &mut Asked, items: &[Value], mut open: BTreeSet<String>, stored: &Stored) -> Result<(), Refusal> {
    for (number, item) in items.iter().enumerate() {
        match item["type"].as_str().unwrap_or("message") {
            "message" => message(asked, number, item)?,
            "reasoning" => reasoning(number, item, stored)?,
            "function_call" => {
                asked.results.clear();
                open.insert(item["call_id"].as_str().unwrap_or_default().to_owned());
            }
            "function_call_output" => {
                let id = item["call_id"].as_str().unwrap_or_default();
                if !open.remove(id) {
                    let message = format!("No tool call found for function call output with call_id {id}.");
                    return Err(Refusal::bad(message).param("input"));
                }
                asked.results.push(text(&item["output"]));
            }
            "item_reference" => {
                let id = item["id"].as_str().unwrap_or_default();
                if !stored.has_item(id) {
                    return Err(Refusal::new(404, format!("Item with id '{id}' not found.")).param("input"));
                }
            }
            other => {
                let message = format!("Invalid value: '{other}'.");
                return Err(Refusal::bad(message).param(&format!("input[{number}].type")).code("invalid_value"));
            }
        }
    }
    if open.is_empty() { Ok(()) } else { Err(unanswered(&open)) }
}

fn message(asked: &mut Asked, number: usize, item: &Value) -> Result<(), Refusal> {
    let role = item["role"].as_str().unwrap_or_default();
    if !["user", "assistant", "system", "developer"].contains(&role) {
        let param = format!("input[{number}].role");
        return Err(Refusal::bad(format!("Invalid value: '{role}'.")).param(&param).code("invalid_value"));
    }
    if role != "user" {
        return Ok(());
    }
    asked.results.clear();
    asked.images.clear();
    asked.text = text(&item["content"]);
    for part in item["content"].as_array().into_iter().flatten().filter(|part| part["type"] == "input_image") {
        let image = chat_read::data_url(part["image_url"].as_str().unwrap_or_default());
        let wrong = "The image data you provided does not represent a valid image.";
        asked.images.push(image.ok_or_else(|| Refusal::bad(wrong).param("input").code("invalid_value"))?);
    }
    Ok(())
}

/// An item of reasoning comes back whole: with what its provider encrypted, or by the id of one that is kept.
fn reasoning(number: usize, item: &Value, stored: &Stored) -> Result<(), Refusal> {
    let id = item["id"].as_str().unwrap_or_default();
    let Some(encrypted) = item["encrypted_content"].as_str() else {
        if stored.has_item(id) {
            return Ok(());
        }
        let message = format!(
            "Item with id '{id}' not found. Items are not persisted when `store` is set to false. Try again with `store` \
             set to true, or remove this item from your input."
        );
        return Err(Refusal::new(404, message).param("input"));
    };
    let summary: String =
        item["summary"].as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect();
    if is_signed(&summary, encrypted) {
        return Ok(());
    }
    let message = format!(
        "The encrypted content for item {id} could not be verified. Reason: Encrypted content could not be decrypted or parsed."
    );
    Err(Refusal::bad(message).param(&format!("input[{number}]")).code("invalid_encrypted_content"))
}

fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

fn tools(body: &Value) -> Result<Vec<(String, Value)>, Refusal> {
    if body["tool_choice"] == "none" {
        return Ok(Vec::new());
    }
    let tools =
        body["tools"].as_array().into_iter().flatten().enumerate().filter(|(_, tool)| tool["type"] == "function");
    let tools = tools.map(|(number, tool)| {
        let param = format!("tools[{number}].name");
        let missing = || Refusal::bad(format!("Missing required parameter: '{param}'.")).param(&param);
        Ok((tool["name"].as_str().ok_or_else(missing)?.to_owned(), tool["parameters"].clone()))
    });
    tools.collect()
}

fn schema(body: &Value) -> Result<Option<Value>, Refusal> {
    let format = &body["text"]["format"];
    match format["type"].as_str() {
        None | Some("text") => Ok(None),
        Some("json_object") => Ok(Some(serde_json::json!({"type": "object"}))),
        Some("json_schema") if format["name"].is_string() && format["schema"].is_object() => {
            Ok(Some(format["schema"].clone()))
        }
        Some(_) => Err(Refusal::bad("Missing required parameter: 'text.format.name'.").param("text.format.name")),
    }
}
