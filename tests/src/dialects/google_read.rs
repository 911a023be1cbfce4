//! Google's dialect, as read: what it refuses, in its own words. Members may be written `camelCase` or `snake_case`.

use serde_json::{Value, json};

use super::{
    mind::Asked,
    refusal::{self, Refusal},
    script::{self, Script},
    turn::{ODD_THOUGHT, is_signed},
};
use crate::provider::Request;

const GENERATE: [&str; 10] = [
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "safetySettings",
    "generationConfig",
    "cachedContent",
    "labels",
    "model",
    "serviceTier",
];
const COUNT: [&str; 3] = ["contents", "generateContentRequest", "model"];
const EMBED: [&str; 7] =
    ["model", "content", "taskType", "title", "outputDimensionality", "autoTruncate", "embedContentConfig"];
const BATCH: [&str; 2] = ["requests", "model"];

/// Checks the key: of the header, else of the query.
pub(super) fn key(script: &Script, request: &Request) -> Result<(), Refusal> {
    let key = request.header("x-goog-api-key").or_else(|| script::query(request, "key"));
    let unregistered = "Method doesn't allow unregistered callers (callers without established identity). Please use API Key \
                        or other form of API consumer identity to call this API.";
    let key = key.ok_or_else(|| Refusal::new(403, unregistered))?;
    if script.wanted_key().is_some_and(|wanted| wanted != key) {
        return Err(Refusal::bad("API key not valid. Please pass a valid API key.").code("API_KEY_INVALID"));
    }
    Ok(())
}

/// The body with its members in `camelCase`, for `verb` of the model `name`.
pub(super) fn body(request: &Request, name: &str, verb: &str) -> Result<Value, Refusal> {
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|e| Refusal::bad(format!("Invalid JSON payload received. {e}")))?;
    let body = camel(&body);
    let known: &[&str] = match verb {
        "countTokens" => &COUNT,
        "embedContent" => &EMBED,
        "batchEmbedContents" => &BATCH,
        _ => &GENERATE,
    };
    if let Some(extra) = refusal::unknown(&body, known) {
        let message = format!("Invalid JSON payload received. Unknown name \"{extra}\": Cannot find field.");
        return Err(Refusal::bad(message));
    }
    let full = format!("models/{name}");
    let matches = |model: &Value| model.is_null() || *model == full.as_str();
    if !matches(&body["model"]) || !matches(&body["generateContentRequest"]["model"]) {
        return Err(Refusal::bad("The model in the body does not match the model in the URL."));
    }
    for (number, request) in body["requests"].as_array().into_iter().flatten().enumerate() {
        if request["model"] != full.as_str() {
            let at = format!("* BatchEmbedContentsRequest.requests[{number}].model");
            return Err(Refusal::bad(format!("{at}: the model must match the model in the URL: {full}")));
        }
    }
    Ok(body)
}

/// What is asked by a body of `generateContent`.
pub(super) fn asked(body: &Value, model: &str) -> Result<Asked, Refusal> {
    let missing = || Refusal::bad("* GenerateContentRequest.contents: contents is not specified");
    let contents = body["contents"].as_array().filter(|contents| !contents.is_empty()).ok_or_else(missing)?;
    let settings = &body["generationConfig"];
    let thinking = settings["thinkingConfig"]["includeThoughts"] == true;
    conversation(contents, thinking)?;
    let mut asked =
        Asked { model: model.to_owned(), tools: tools(body), thinking, schema: schema(settings)?, ..Asked::default() };
    let last = contents.iter().rfind(|content| content["role"] != "model");
    for part in last.into_iter().flat_map(parts) {
        if let Some(text) = part["text"].as_str() {
            asked.text.push_str(text);
        }
        if let Some(answer) = part.get("functionResponse") {
            asked.results.push(result(&answer["response"]));
        }
        if let Some(data) = part.get("inlineData") {
            let (kind, bytes) = (data["mimeType"].as_str(), data["data"].as_str());
            let length = kind.zip(bytes).and_then(|(kind, bytes)| refusal::image(kind, bytes));
            let wrong = || Refusal::bad("Unable to process input image. Please retry or report in troubleshooting.");
            asked.images.push((kind.unwrap_or_default().to_owned(), length.ok_or_else(wrong)?));
        }
    }
    Ok(asked)
}

/// What a function answered: its `output` or `result`, where it says so, else everything.
fn result(response: &Value) -> String {
    let named =
        response["output"].as_str().or_else(|| response["result"].as_str()).or_else(|| response["content"].as_str());
    named.map_or_else(|| response.to_string(), str::to_owned)
}

fn parts(content: &Value) -> Vec<Value> {
    content["parts"].as_array().cloned().unwrap_or_default()
}

fn count(content: &Value, member: &str) -> usize {
    parts(content).iter().filter(|part| part.get(member).is_some()).count()
}

fn conversation(contents: &[Value], thinking: bool) -> Result<(), Refusal> {
    for (number, content) in contents.iter().enumerate() {
        let role = content["role"].as_str().unwrap_or("user");
        if !["user", "model"].contains(&role) {
            return Err(Refusal::bad("Please use a valid role: user, model."));
        }
        if parts(content).is_empty() {
            let message =
                format!("* GenerateContentRequest.contents[{number}].parts: contents.parts must not be empty.");
            return Err(Refusal::bad(message));
        }
        if role == "model" {
            signatures(content, thinking)?;
            let calls = count(content, "functionCall");
            let answers = contents.get(number + 1).map_or(0, |next| count(next, "functionResponse"));
            if calls != answers {
                return Err(Refusal::bad(
                    "Please ensure that the number of function response parts is equal to the number of function call \
                     parts of the function call turn.",
                ));
            }
        }
    }
    Ok(())
}

/// A signature comes back as it was given, with the part that had it; the first call of a turn must have one where the
/// model thinks.
fn signatures(content: &Value, thinking: bool) -> Result<(), Refusal> {
    let mut first = true;
    for part in parts(content) {
        let signature = part["thoughtSignature"].as_str();
        if signature.is_some_and(|signature| !is_signed(ODD_THOUGHT, signature)) {
            return Err(Refusal::bad("Thought signature is not valid."));
        }
        if part["thought"] == true && !ODD_THOUGHT.contains(part["text"].as_str().unwrap_or_default()) {
            return Err(Refusal::bad("The thought is not what the model thought."));
        }
        if part.get("functionCall").is_some() {
            if first && thinking && signature.is_none() {
                return Err(Refusal::bad(format!(
                    "Function call is missing a thought_signature in functionCall parts. This is required for tools to work \
                     correctly. Additional data, function call `default_api:{}`.",
                    part["functionCall"]["name"].as_str().unwrap_or_default()
                )));
            }
            first = false;
        }
    }
    Ok(())
}

fn tools(body: &Value) -> Vec<(String, Value)> {
    if body["toolConfig"]["functionCallingConfig"]["mode"] == "NONE" {
        return Vec::new();
    }
    let tools = body["tools"].as_array().into_iter().flatten();
    let functions = tools.filter_map(|tool| tool["functionDeclarations"].as_array()).flatten();
    let functions = functions.map(|function| {
        let schema =
            [&function["parameters"], &function["parametersJsonSchema"]].into_iter().find(|one| one.is_object());
        (function["name"].as_str().unwrap_or_default().to_owned(), schema.cloned().unwrap_or_default())
    });
    functions.collect()
}

fn schema(settings: &Value) -> Result<Option<Value>, Refusal> {
    let schema = [&settings["responseSchema"], &settings["responseJsonSchema"]].into_iter().find(|one| one.is_object());
    if schema.is_some() && settings["responseMimeType"] != "application/json" {
        return Err(Refusal::bad("Response schema is not supported with mime type: text/plain"));
    }
    let any = (settings["responseMimeType"] == "application/json").then(|| json!({"type": "object"}));
    Ok(schema.cloned().or(any))
}

/// The same document with members in `camelCase`, as far as they are Google's and not those of a schema or argument.
fn camel(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| {
                let name = camel_name(name);
                let foreign =
                    ["args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"];
                let value = if foreign.contains(&name.as_str()) { value.clone() } else { camel(value) };
                (name, value)
            });
            Value::Object(members.collect())
        }
        Value::Array(items) => items.iter().map(camel).collect(),
        other => other.clone(),
    }
}

fn camel_name(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut whole, word| {
        let mut letters = word.chars();
        whole.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        whole.push_str(letters.as_str());
        whole
    })
}
