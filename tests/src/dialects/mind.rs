//! What a scripted model makes of a request: the same in each dialect, since what matters is how it is written.

use serde_json::{Value, json};

use super::turn::{Call, ODD_THOUGHT, Stop, Thought, Turn, Usage, hash};

/// A request as a dialect's reader understood it.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The model.
    pub model: String,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// The text of the last turn of the user.
    pub text: String,
    /// The images of that turn: media type and length.
    pub images: Vec<(String, usize)>,
    /// The tools that may be called: name and schema of the arguments.
    pub tools: Vec<(String, Value)>,
    /// Whether only one may be called at a time.
    pub one_by_one: bool,
    /// What the tools of the last turn answered.
    pub results: Vec<String>,
    /// Whether the model is to show what it thinks.
    pub thinking: bool,
    /// The schema that the answer must fit.
    pub schema: Option<Value>,
    /// Whether a part of the request is to be kept in the cache.
    pub cached: bool,
    /// Whether the usage of a stream is asked for (chat only; elsewhere it comes unasked).
    pub usage: bool,
}

/// What the model's name tells the provider to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Answer.
    Answer,
    /// `refuse-429`: an error with this status.
    Refuse(u16),
    /// `break`: an error event in the middle of a stream; 500 where none is asked for.
    Break,
    /// `truncate`: a stream that ends in good order in its middle.
    Truncate,
    /// `hang-up`: a stream whose connection closes in its middle.
    HangUp,
    /// `stall`: a stream that says nothing more after its middle, or no answer at all.
    Stall,
}

impl Behaviour {
    /// The behaviour behind a model's name.
    pub fn of(model: &str) -> Self {
        match model {
            "break" => Self::Break,
            "truncate" => Self::Truncate,
            "hang-up" => Self::HangUp,
            "stall" => Self::Stall,
            other => {
                other.strip_prefix("refuse-").and_then(|status| status.parse().ok()).map_or(Self::Answer, Self::Refuse)
            }
        }
    }
}

/// How many tokens a text has, here: its words.
pub fn count(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// What a request costs to read, here: ten tokens and its words.
pub fn input_tokens(asked: &Asked) -> u64 {
    10 + count(&asked.text) + 85 * asked.images.len() as u64
}

/// What the model says.
pub fn answer(asked: &Asked) -> Turn {
    let mut turn = if !asked.results.is_empty() {
        Turn::saying(&format!("The tools said: {}.", asked.results.join("; ")))
    } else if !asked.tools.is_empty() {
        let wanted = if asked.one_by_one { 1 } else { asked.tools.len() };
        let calls = asked.tools.iter().take(wanted).enumerate().map(|(number, (name, schema))| Call {
            id: format!("{:016x}{number}", hash(name)),
            name: name.clone(),
            arguments: instance(schema).to_string(),
        });
        Turn { calls: calls.collect(), stop: Stop::Tools, ..Turn::default() }
    } else if let Some(schema) = &asked.schema {
        Turn::saying(&instance(schema).to_string())
    } else if let Some((media_type, length)) = asked.images.first() {
        Turn::saying(&format!("I see {media_type} of {length} bytes."))
    } else {
        Turn::saying(&format!("You said: {}", asked.text))
    };
    turn.thought = asked.thinking.then(|| Thought::new(ODD_THOUGHT));
    let calls = turn.calls.iter().map(|call| count(&call.arguments) + 2).sum::<u64>();
    turn.usage = Usage {
        input: input_tokens(asked),
        cache_read: 4,
        cache_write: if asked.cached { 6 } else { 0 },
        cache_write_1h: if asked.cached { 3 } else { 0 },
        output: count(&turn.all_text()) + calls,
        reasoning: turn.thought.as_ref().map_or(0, |thought| count(&thought.text)),
    };
    turn
}

/// A value that fits a JSON schema (Google writes the names of types in capitals), of text that shows a wrong escape.
pub fn instance(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    if let Some(options) = schema["anyOf"].as_array() {
        return options.first().map(instance).unwrap_or_default();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"].get(0)?.as_str()).unwrap_or("object");
    match kind.to_ascii_lowercase().as_str() {
        "string" => json!("Zürich «☂» \"é\" \\ /"),
        "integer" => json!(7),
        "number" => json!(2.5),
        "boolean" => json!(true),
        "array" => json!([instance(&schema["items"])]),
        "null" => Value::Null,
        _ => {
            let members = schema["properties"].as_object().into_iter().flatten();
            Value::Object(members.map(|(name, schema)| (name.clone(), instance(schema))).collect())
        }
    }
}

/// A vector for a text: the same for the same text.
pub fn vector(text: &str) -> Vec<f32> {
    let hash = hash(text).to_be_bytes();
    hash.iter().map(|byte| (f32::from(*byte) - 128.0) / 128.0).collect()
}
