//! OpenAI's chat completions, as read: what is refused, in OpenAI's words.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    mind::Asked,
    openai_shapes as shapes,
    refusal::{self, Refusal},
    turn::ODD_THOUGHT,
};

const MEMBERS: [&str; 37] = [
    "messages",
    "model",
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "metadata",
    "modalities",
    "moderation",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];
const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];

/// Reads a request.
pub(super) fn body(body: &Value) -> Result<Asked, Refusal> {
    let model = shapes::model(body)?;
    shapes::required(body, "messages")?;
    if let Some(name) = refusal::unknown(body, &MEMBERS) {
        return Err(Refusal::bad(format!("Unrecognized request argument supplied: {name}")));
    }
    stream_options(body)?;
    let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| Refusal::bad("Invalid 'messages': empty array.").param("messages"))?;
    conversation(messages)?;
    let mut asked = Asked {
        model,
        stream: body["stream"] == true,
        tools: tools(body)?,
        one_by_one: body["parallel_tool_calls"] == false,
        // Compatible providers show what they thought where an effort is asked for.
        thinking: body["reasoning_effort"].is_string(),
        schema: schema(body)?,
        usage: body["stream_options"]["include_usage"] == true,
        ..Asked::default()
    };
    let answered = messages.iter().rposition(|message| message["role"] == "assistant").map_or(0, |at| at + 1);
    for (number, message) in messages.iter().enumerate().skip(answered) {
        match message["role"].as_str() {
            Some("tool") => asked.results.push(text(&message["content"])),
            Some("user") => {
                asked.text = text(&message["content"]);
                images(&mut asked, number, &message["content"])?;
            }
            _ => {}
        }
    }
    Ok(asked)
}

/// `stream_options` belong to a stream.
pub(super) fn stream_options(body: &Value) -> Result<(), Refusal> {
    if body["stream"] == true || body["stream_options"].is_null() {
        return Ok(());
    }
    let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
    Err(Refusal::bad(message).param("stream_options"))
}

fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

fn images(asked: &mut Asked, number: usize, content: &Value) -> Result<(), Refusal> {
    for part in content.as_array().into_iter().flatten().filter(|part| part["type"] == "image_url") {
        let url = part["image_url"]["url"].as_str().unwrap_or_default();
        let (kind, length) = data_url(url).ok_or_else(|| {
            let message = "You uploaded an unsupported image. Please make sure your image is valid.";
            Refusal::bad(message).param(&format!("messages.{number}.content")).code("invalid_image")
        })?;
        asked.images.push((kind, length));
    }
    Ok(())
}

/// Media type and length of an image in a `data:` URL.
pub(super) fn data_url(url: &str) -> Option<(String, usize)> {
    let (kind, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
    Some((kind.to_owned(), refusal::image(kind, data)?))
}

fn tools(body: &Value) -> Result<Vec<(String, Value)>, Refusal> {
    if body["tool_choice"] == "none" {
        return Ok(Vec::new());
    }
    let tools = body["tools"].as_array().into_iter().flatten().enumerate();
    let tools = tools.map(|(number, tool)| {
        let name = tool["function"]["name"].as_str().filter(|_| tool["type"] == "function");
        let param = format!("tools[{number}].function");
        let missing = || Refusal::bad(format!("Missing required parameter: '{param}'.")).param(&param);
        Ok((name.ok_or_else(missing)?.to_owned(), tool["function"]["parameters"].clone()))
    });
    tools.collect()
}

fn schema(body: &Value) -> Result<Option<Value>, Refusal> {
    let format = &body["response_format"];
    match format["type"].as_str() {
        None | Some("text") => Ok(None),
        Some("json_object") => Ok(Some(serde_json::json!({"type": "object"}))),
        Some("json_schema") => {
            let (name, schema) = (&format["json_schema"]["name"], &format["json_schema"]["schema"]);
            let missing = || {
                let param = "response_format.json_schema";
                Refusal::bad(format!("Missing required parameter: '{param}'.")).param(param)
            };
            if name.is_string() && schema.is_object() { Ok(Some(schema.clone())) } else { Err(missing()) }
        }
        Some(other) => Err(Refusal::bad(format!("Invalid value: '{other}'.")).param("response_format.type")),
    }
}

fn conversation(messages: &[Value]) -> Result<(), Refusal> {
    let mut open = BTreeSet::new();
    for (number, message) in messages.iter().enumerate() {
        let param = format!("messages.[{number}].role");
        let role = message["role"].as_str().unwrap_or_default();
        if !ROLES.contains(&role) {
            return Err(Refusal::bad(format!("Invalid value: '{role}'.")).param(&param).code("invalid_value"));
        }
        if role == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            if !open.remove(id) {
                let message = "Invalid parameter: messages with role 'tool' must be a response to a preceding message with \
                               'tool_calls'.";
                return Err(Refusal::bad(message).param(&param));
            }
            continue;
        }
        unanswered(&open, &param)?;
        if role == "assistant" {
            let calls = message["tool_calls"].as_array().into_iter().flatten();
            open = calls.filter_map(|call| call["id"].as_str().map(str::to_owned)).collect();
            // What was thought comes back whole or not at all.
            if message["reasoning_content"].as_str().is_some_and(|thought| thought != ODD_THOUGHT) {
                return Err(Refusal::bad("The `reasoning_content` is not what the model thought.").param(&param));
            }
        }
    }
    unanswered(&open, "messages")
}

fn unanswered(open: &BTreeSet<String>, param: &str) -> Result<(), Refusal> {
    let Some(id) = open.first() else { return Ok(()) };
    Err(Refusal::bad(format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The \
         following tool_call_ids did not have response messages: {id}"
    ))
    .param(param))
}
