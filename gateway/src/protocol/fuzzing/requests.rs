//! The readers of requests and what they make of a body, beside a parser that makes a tree.

use bytes::Bytes;
use memchr::memmem;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::Input;
use crate::protocol::{
    Dialect, RequestFields, Rewrite, Verb,
    routing_fields::{BodyError, LONGEST_MODEL},
    walk::{self, Visitor},
};

/// A name that no body holds by chance, and that needs escapes.
const NAME: &str = "up/\"é\\\u{1}stream";

const WAYS: [(Dialect, Verb); 9] = [
    (Dialect::ChatCompletions, Verb::Generate),
    (Dialect::ChatCompletions, Verb::Complete),
    (Dialect::ChatCompletions, Verb::Embed),
    (Dialect::Messages, Verb::Generate),
    (Dialect::Responses, Verb::Generate),
    (Dialect::GenerateContent, Verb::Generate),
    (Dialect::GenerateContent, Verb::GenerateStream),
    (Dialect::GenerateContent, Verb::CountTokens),
    (Dialect::GenerateContent, Verb::EmbedBatch),
];

/// A body is refused for what is wrong with it and for nothing else; what is read of it is what a parser finds; and what the
/// provider gets differs from it in the name and the wish for usage alone.
pub fn request(data: &[u8]) {
    let Some(input) = Input::read(data) else { return };
    let ((dialect, verb), body) = (WAYS[input.way % WAYS.len()], input.text);
    let asks_usage = input.sizes[0] % 2 == 0;
    let in_path = (dialect == Dialect::GenerateContent).then(|| "in-the-path".to_owned());
    let rules = dialect.rules();
    let is_object = std::str::from_utf8(body)
        .is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok() && text.trim_start().starts_with('{'));
    // A parser reads numbers into its own, and texts into its own; what it cannot take says nothing.
    let document = serde_json::from_slice::<Value>(body).ok();
    let fields = match rules.read(verb, in_path.clone(), body) {
        Ok(fields) => fields,
        Err(error) => {
            assert_eq!(matches!(error, BodyError::Json(_)), !is_object, "{error}");
            if let (Some(document), BodyError::NoModel | BodyError::ModelKind | BodyError::ModelTooLong) =
                (document, error)
            {
                let fits = |model: &str| (1..=LONGEST_MODEL).contains(&model.len());
                assert!(!document["model"].as_str().is_some_and(fits), "a model was not found");
            }
            return;
        }
    };
    assert!(is_object, "what is no object was read");
    let bytes = Bytes::copy_from_slice(body);
    judge(dialect, verb, &fields, &bytes);
    let (pieces, hides_usage) = rules.rewrite(&fields, &bytes, &Rewrite::plain(verb, NAME, asks_usage));
    let written = pieces.as_slice().concat();
    assert_eq!(pieces.len(), written.len() as u64);
    if in_path.is_none() && !hides_usage {
        only_the_name_changed(body, &written, &fields.model);
    }
    let Some(mut document) = document else { return };
    if in_path.is_none() {
        assert_eq!(document["model"], *fields.model);
        let streams = verb != Verb::Embed && document["stream"] == true;
        assert_eq!(fields.stream, streams);
        document["model"] = NAME.into();
    } else {
        assert_eq!(fields.stream, verb == Verb::GenerateStream);
        rename_everywhere(&mut document);
    }
    if dialect == Dialect::Responses {
        let id = document["previous_response_id"].as_str().filter(|id| !id.is_empty());
        assert_eq!(fields.previous_response.as_deref(), id);
    }
    let can_ask = dialect == Dialect::ChatCompletions && fields.stream && asks_usage;
    if let Some(options) = can_ask.then(|| with_usage(&document["stream_options"])).flatten() {
        document["stream_options"] = options;
        assert!(hides_usage);
    } else {
        assert!(!hides_usage);
    }
    let written: Value = serde_json::from_slice(&written).unwrap_or_else(|error| panic!("no JSON any more: {error}"));
    assert_eq!(written, document);
}

/// A cap that no body holds by chance.
const CAP: u64 = 1_234_567_891;

/// What is judged of a body is what a parser finds in it, and it is capped and nothing else.
fn judge(dialect: Dialect, verb: Verb, fields: &RequestFields<'_>, body: &Bytes) {
    let rules = dialect.rules();
    let Ok(text) = std::str::from_utf8(body) else { return };
    let judged = rules.judge(text);
    let Ok(document) = serde_json::from_str::<Value>(text) else { return };
    if dialect != Dialect::GenerateContent && depth(&document) < 60 {
        // A tree keeps one of two members. What is deeper no walk sees.
        assert_eq!(judged.repeated.is_some(), members(&document) != names(text));
    }
    let with = Rewrite { cap: Some(CAP), max_tool_calls: Some(CAP), ..Rewrite::plain(verb, &fields.model, false) };
    let (pieces, _) = rules.rewrite(fields, body, &with);
    let written = pieces.as_slice().concat();
    let capped: Value = serde_json::from_slice(&written).unwrap_or_else(|error| panic!("no JSON any more: {error}"));
    if !verb.has_output() {
        assert!(dialect == Dialect::GenerateContent || written == *body);
        return;
    }
    if judged.repeated.is_some() || judged.bad_number.is_some() {
        return;
    }
    let cap = match dialect {
        Dialect::ChatCompletions if verb == Verb::Complete => capped.get("max_tokens"),
        Dialect::ChatCompletions => {
            ["max_tokens", "max_completion_tokens"].iter().find_map(|name| capped[name].as_u64().and(capped.get(name)))
        }
        Dialect::Messages => capped.get("max_tokens"),
        Dialect::Responses => {
            assert_eq!(capped["max_tool_calls"], CAP);
            capped.get("max_output_tokens")
        }
        Dialect::GenerateContent => {
            let config = capped.get("generationConfig").or_else(|| capped.get("generation_config"));
            config.and_then(|config| config.get("maxOutputTokens").or_else(|| config.get("max_output_tokens")))
        }
    };
    assert_eq!(cap, Some(&CAP.into()), "not capped");
    // Every asked-for count is a body that can be read.
    if let Some(question) = rules.count_body(body, NAME, &[]) {
        assert!(serde_json::from_slice::<Value>(&question).is_ok_and(|question| question.is_object()));
    }
}

/// How many members the objects of a tree have.
fn members(tree: &Value) -> usize {
    match tree {
        Value::Object(object) => object.values().map(|value| 1 + members(value)).sum(),
        Value::Array(items) => items.iter().map(members).sum(),
        _ => 0,
    }
}

/// How deep a tree is.
fn depth(tree: &Value) -> usize {
    match tree {
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or_default(),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// How many names stand in a document.
fn names(text: &str) -> usize {
    struct Names(usize);
    impl Visitor<()> for Names {
        fn value(&mut self, (): &mut (), name: Option<&str>, _: &walk::Value) -> Option<()> {
            self.0 += usize::from(name.is_some());
            Some(())
        }
        fn closed(&mut self, (): (), (): &mut ()) {}
    }
    let mut names = Names(0);
    walk::walk(text, &mut (), &mut names);
    names.0
}

/// `body` is `written` with a spelling of `model` in the place of the name.
fn only_the_name_changed(body: &[u8], written: &[u8], model: &str) {
    let quoted = serde_json::to_vec(NAME).unwrap_or_default();
    let is_it = |at: usize| {
        let behind = &written[at + quoted.len()..];
        let end = body.len().checked_sub(behind.len()).filter(|end| *end >= at);
        let Some(before) = end.and_then(|end| body.get(at..end)) else { return false };
        body.starts_with(&written[..at])
            && body.ends_with(behind)
            && serde_json::from_slice::<String>(before).is_ok_and(|before| before == model)
    };
    let is_there = memmem::find_iter(written, &quoted).any(is_it);
    assert!(is_there || (model == NAME && written == body), "more than the name changed");
}

/// What the options are once usage is asked for; `None` where they stay.
fn with_usage(options: &Value) -> Option<Value> {
    match options {
        Value::Null => Some(serde_json::json!({ "include_usage": true })),
        Value::Object(members) => {
            let stays = members.get("include_usage").is_some_and(|wish| !(wish.is_null() || wish == false));
            let mut asked = options.clone();
            asked["include_usage"] = true.into();
            (!stays).then_some(asked)
        }
        _ => None,
    }
}

/// The name in every place where Google's bodies repeat it.
fn rename_everywhere(document: &mut Value) {
    fn rename(object: &mut Value) {
        if let Some(model) = object.get_mut("model").filter(|model| model.is_string()) {
            *model = format!("models/{NAME}").into();
        }
    }
    rename(document);
    for one in document.get_mut("requests").and_then(Value::as_array_mut).into_iter().flatten() {
        rename(one);
    }
    for name in ["generateContentRequest", "generate_content_request"] {
        if let Some(request) = document.get_mut(name) {
            rename(request);
        }
    }
}
