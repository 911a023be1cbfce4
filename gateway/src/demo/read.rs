//! What the readers of the dialects have in common. Every refusal names the member that is at fault.

use bitrouter_proto::codes::InferenceCode;
use serde_json::{Map, Value};

use super::{
    conversation::{Conversation, Message},
    invalid,
};
use crate::error::InferenceError;

/// The members of an object.
pub(super) type Object = Map<String, Value>;

/// The body.
pub(super) fn object(body: &[u8]) -> Result<Object, InferenceError> {
    serde_json::from_slice(body).map_err(|error| {
        InferenceError::new(InferenceCode::InvalidRequest, format!("the body is not one JSON object: {error}"))
    })
}

/// A member that says something.
pub(super) fn given<'v>(object: &'v Object, name: &str) -> Option<&'v Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// A member that is true or false, and false where it is left out.
pub(super) fn flag(object: &Object, name: &'static str) -> Result<bool, InferenceError> {
    match given(object, name) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| invalid(format!("`{name}` is true or false"), name)),
    }
}

/// The most words that are asked for: of several caps the greatest. What is no whole number from 1 on is no cap.
pub(super) fn cap(object: &Object, names: &[&str]) -> Option<u64> {
    names.iter().filter_map(|name| given(object, name)?.as_u64()).filter(|cap| *cap > 0).max()
}

/// True where a stream of OpenAI's is to tell its usage.
pub(super) fn include_usage(object: &Object) -> Result<bool, InferenceError> {
    let options = given(object, "stream_options");
    let wish = options.and_then(|options| options.get("include_usage")).filter(|wish| !wish.is_null());
    let wish = wish.map_or(Some(false), Value::as_bool).filter(|_| options.is_none_or(Value::is_object));
    wish.ok_or_else(|| {
        invalid("`stream_options` is an object whose `include_usage` is true or false", "stream_options")
    })
}

/// The messages of OpenAI's and Anthropic's member `name`.
pub(super) fn messages(object: &Object, name: &'static str) -> Result<Conversation, InferenceError> {
    let list = given(object, name).and_then(Value::as_array).filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| invalid(format!("`{name}` is missing, empty or no list"), name))?;
    let message = |message: &Value| {
        let role = message.get("role").and_then(Value::as_str);
        let role = role.ok_or_else(|| invalid(format!("each of `{name}` is an object with a `role`"), name))?;
        Ok(Message { is_user: role == "user", text: text(message.get("content"), name)? })
    };
    list.iter().map(message).collect::<Result<_, _>>().map(Conversation)
}

/// The text of a content: a string, or the texts in a list of parts, joined. `param` is where it stands.
pub(super) fn text(content: Option<&Value>, param: &'static str) -> Result<Option<String>, InferenceError> {
    match content {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Array(parts)) => text_of_parts(parts, param),
        Some(_) => Err(invalid(format!("what `{param}` says is a string or a list of parts"), param)),
    }
}

/// The texts of `parts`, joined; none where no part is a text.
pub(super) fn text_of_parts(parts: &[Value], param: &'static str) -> Result<Option<String>, InferenceError> {
    let mut joined = None;
    for part in parts {
        let part = part.as_object().ok_or_else(|| invalid(format!("each part in `{param}` is an object"), param))?;
        match given(part, "text") {
            None => {}
            Some(Value::String(text)) => joined.get_or_insert_with(String::new).push_str(text),
            Some(_) => return Err(invalid(format!("the `text` of a part in `{param}` is a string"), param)),
        }
    }
    Ok(joined)
}
