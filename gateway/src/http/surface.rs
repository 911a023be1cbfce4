//! The surface table: every path that reaches a model, with its method, its dialect, what it asks for, and whether a
//! provider takes money for it. A path that is not here reaches no provider.

use std::borrow::Cow;

use http::{HeaderMap, Method};

use crate::{
    percent::percent_decoded,
    protocol::{Dialect, Verb},
    stored_responses::is_response_id,
};

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Surface {
    pub(crate) method: Method,
    pub(crate) path: Place,
    pub(crate) dialect: Dialect,
    pub(crate) verb: Verb,
}

/// A path, or a family of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// This path.
    At(&'static str),
    /// `/v1/responses/{id}` and what stands behind it.
    OfResponse(&'static str),
    /// `/v1` or `/v1beta`, with `models/` or without, then `{model}:` and this.
    OfModel(&'static str),
}

impl Place {
    /// True where it is this one path.
    fn is_at(self, path: &str) -> bool {
        matches!(self, Self::At(own) if own == path)
    }
}

const fn post(path: &'static str, dialect: Dialect, verb: Verb) -> Surface {
    Surface { method: Method::POST, path: Place::At(path), dialect, verb }
}

const fn of_model(name: &'static str, verb: Verb) -> Surface {
    let dialect = Dialect::GenerateContent;
    Surface { method: Method::POST, path: Place::OfModel(name), dialect, verb }
}

const fn of_response(method: Method, behind: &'static str, verb: Verb) -> Surface {
    Surface { method, path: Place::OfResponse(behind), dialect: Dialect::Responses, verb }
}

/// The table.
pub(crate) static SURFACE: [Surface; 16] = [
    post("/v1/chat/completions", Dialect::ChatCompletions, Verb::Generate),
    post("/v1/completions", Dialect::ChatCompletions, Verb::Complete),
    post("/v1/embeddings", Dialect::ChatCompletions, Verb::Embed),
    post("/v1/messages", Dialect::Messages, Verb::Generate),
    post("/v1/messages/count_tokens", Dialect::Messages, Verb::CountTokens),
    post("/v1/responses", Dialect::Responses, Verb::Generate),
    post("/v1/responses/input_tokens", Dialect::Responses, Verb::CountTokens),
    of_response(Method::GET, "", Verb::Retrieve),
    of_response(Method::DELETE, "", Verb::Delete),
    of_response(Method::GET, "/input_items", Verb::ListInput),
    of_response(Method::POST, "/cancel", Verb::Cancel),
    of_model("generateContent", Verb::Generate),
    of_model("streamGenerateContent", Verb::GenerateStream),
    of_model("countTokens", Verb::CountTokens),
    of_model("embedContent", Verb::Embed),
    of_model("batchEmbedContents", Verb::EmbedBatch),
];

/// A request's line, and what its path names.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) surface: &'static Surface,
    /// The model, decoded and not judged, or the response.
    pub(crate) name: Option<String>,
}

/// What a path is, for any method.
#[derive(Debug, PartialEq, Eq)]
enum Path<'a> {
    At(&'a str),
    OfResponse { id: &'a str, behind: &'a str },
    OfModel { name: String, method: String },
}

/// The line for `method` at `path`; what the path takes where that is another method; `None` where the path is not in the
/// table.
pub(crate) fn find(method: &Method, path: &str) -> Option<Result<Found, String>> {
    // Nearly every request is for a path that stands in the table as it is.
    if let Some(surface) = SURFACE.iter().find(|surface| surface.path.is_at(path) && surface.method == *method) {
        return Some(Ok(Found { surface, name: None }));
    }
    let parsed = parse(path);
    let mut others = SURFACE.iter().filter(|surface| is_at(surface, &parsed)).peekable();
    others.peek()?;
    if let Some(surface) = others.clone().find(|surface| surface.method == *method) {
        let name = match parsed {
            Path::At(_) => None,
            Path::OfResponse { id, .. } => Some(id.to_owned()),
            Path::OfModel { name, .. } => Some(name),
        };
        return Some(Ok(Found { surface, name }));
    }
    Some(Err(others.map(|surface| surface.method.as_str()).collect::<Vec<_>>().join(", ")))
}

/// True where embeddings can be asked for in `dialect`.
pub(super) fn embeds(dialect: Dialect) -> bool {
    SURFACE.iter().any(|surface| surface.dialect == dialect && surface.verb == Verb::Embed)
}

fn is_at(surface: &Surface, path: &Path<'_>) -> bool {
    match (surface.path, path) {
        (Place::At(own), Path::At(path)) => own == *path,
        (Place::OfResponse(own), Path::OfResponse { behind, .. }) => own == *behind,
        (Place::OfModel(own), Path::OfModel { method, .. }) => own == *method,
        _ => false,
    }
}

fn parse(path: &str) -> Path<'_> {
    if SURFACE.iter().any(|surface| surface.path.is_at(path)) {
        return Path::At(path);
    }
    let text = || String::from_utf8_lossy(&percent_decoded(path)).into_owned();
    let decoded = if path.contains('%') { Cow::Owned(text()) } else { Cow::Borrowed(path) };
    if let Some((name, method)) = google(&decoded) {
        return Path::OfModel { name: name.to_owned(), method: method.to_owned() };
    }
    // What is encoded in an id is no part of one: it is judged as it was sent.
    if let Some(rest) = path.strip_prefix("/v1/responses/") {
        let (id, behind) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if is_response_id(id) {
            return Path::OfResponse { id, behind };
        }
    }
    Path::At(path)
}

/// The model and the method in a path of Google's: split at the last colon, `models/` left away.
fn google(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/v1beta/").or_else(|| path.strip_prefix("/v1/"))?;
    let (name, method) = rest.rsplit_once(':')?;
    SURFACE.iter().any(|surface| matches!(surface.path, Place::OfModel(own) if own == method)).then_some(())?;
    let name = name.strip_prefix("models/").unwrap_or(name);
    (!name.is_empty()).then_some((name, method))
}

/// The dialect in which a caller at `path` with `headers` reads errors and lists: the path says so, then the headers;
/// where neither does, it is OpenAI's.
pub fn dialect_of(path: &str, headers: &HeaderMap) -> Dialect {
    of_path(path).unwrap_or_else(|| {
        if headers.contains_key("x-goog-api-key") {
            Dialect::GenerateContent
        } else if headers.contains_key("anthropic-version") {
            Dialect::Messages
        } else {
            Dialect::ChatCompletions
        }
    })
}

fn of_path(path: &str) -> Option<Dialect> {
    if let Some(surface) = SURFACE.iter().find(|surface| surface.path.is_at(path)) {
        return Some(surface.dialect);
    }
    let is_below =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if is_below("/v1beta") || matches!(parse(path), Path::OfModel { .. }) {
        return Some(Dialect::GenerateContent);
    }
    let below = [
        ("/v1/chat", Dialect::ChatCompletions),
        ("/v1/completions", Dialect::ChatCompletions),
        ("/v1/embeddings", Dialect::ChatCompletions),
        ("/v1/responses", Dialect::Responses),
        ("/v1/messages", Dialect::Messages),
    ];
    below.into_iter().find(|(prefix, _)| is_below(prefix)).map(|(_, dialect)| dialect)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn found(method: &str, path: &str) -> String {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        match find(&method, path) {
            None => "none".to_owned(),
            Some(Err(allowed)) => format!("takes {allowed}"),
            Some(Ok(Found { surface, name })) => {
                let costs = if surface.verb.costs() { "costs" } else { "free" };
                format!("{} {:?} {} {costs}", surface.dialect, surface.verb, name.as_deref().unwrap_or("-"))
            }
        }
    }

    #[test]
    fn the_surface_table() {
        for (method, path, expected) in [
            ("POST", "/v1/chat/completions", "chat_completions Generate - costs"),
            ("POST", "/v1/completions", "chat_completions Complete - costs"),
            ("POST", "/v1/embeddings", "chat_completions Embed - costs"),
            ("POST", "/v1/messages", "messages Generate - costs"),
            ("POST", "/v1/messages/count_tokens", "messages CountTokens - free"),
            ("POST", "/v1/responses", "responses Generate - costs"),
            ("POST", "/v1/responses/input_tokens", "responses CountTokens - free"),
            ("GET", "/v1/responses/resp_1", "responses Retrieve resp_1 free"),
            ("DELETE", "/v1/responses/resp_1", "responses Delete resp_1 free"),
            ("GET", "/v1/responses/resp_1/input_items", "responses ListInput resp_1 free"),
            ("POST", "/v1/responses/resp_1/cancel", "responses Cancel resp_1 free"),
            ("POST", "/v1beta/models/m:generateContent", "generate_content Generate m costs"),
            ("POST", "/v1/models/m:streamGenerateContent", "generate_content GenerateStream m costs"),
            ("POST", "/v1/m:countTokens", "generate_content CountTokens m free"),
            ("POST", "/v1beta/m:embedContent", "generate_content Embed m costs"),
            ("POST", "/v1beta/models/m:batchEmbedContents", "generate_content EmbedBatch m costs"),
            // The last colon, and every spelling of a name.
            ("POST", "/v1/models/scripted:echo:generateContent", "generate_content Generate scripted:echo costs"),
            ("POST", "/v1beta/scripted/echo:generateContent", "generate_content Generate scripted/echo costs"),
            ("POST", "/v1beta/models/scripted%2Fecho:generateContent", "generate_content Generate scripted/echo costs"),
            ("POST", "/v1beta/models%2Fm%3AgenerateContent", "generate_content Generate m costs"),
            ("POST", "/v1beta/models/models/m:generateContent", "generate_content Generate models/m costs"),
            (
                "POST",
                "/v1/responses/input_tokens:generateContent",
                "generate_content Generate responses/input_tokens costs",
            ),
            // Other methods.
            ("GET", "/v1/chat/completions", "takes POST"),
            ("PUT", "/v1/responses/resp_1", "takes GET, DELETE"),
            ("GET", "/v1/responses/resp_1/cancel", "takes POST"),
            ("GET", "/v1beta/models/m:generateContent", "takes POST"),
            ("HEAD", "/v1/responses/resp_1", "takes GET, DELETE"),
            // Nothing of a model's.
            ("POST", "/v1/chat/completions/", "none"),
            ("POST", "/v1/models", "none"),
            ("GET", "/v1/models/m", "none"),
            ("POST", "/v1beta/models/m:predict", "none"),
            ("POST", "/v1beta/models/:generateContent", "none"),
            ("POST", "/v2/models/m:generateContent", "none"),
            ("POST", "/v1/responses/", "none"),
            ("GET", "/v1/responses/resp_1/other", "none"),
            ("GET", "/v1/responses/resp.1", "none"),
            ("POST", "/v1/responses/..", "none"),
            ("DELETE", "/v1/responses/resp_1%2Fcancel", "none"),
            ("POST", "/v1/responses/%72esp/cancel", "none"),
            ("GET", "/v1/responses/resp_1/input_items/", "none"),
            ("POST", "/v1/images/generations", "none"),
            ("POST", "/v1/audio/speech", "none"),
            ("POST", "/v1/files", "none"),
            ("POST", "/v1/messages/batches", "none"),
            ("POST", "/", "none"),
            ("OPTIONS", "*", "none"),
        ] {
            assert_eq!(found(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn the_path_says_the_dialect_and_then_the_headers() {
        let ask = |path: &str, names: &[&'static str]| {
            let header = |name: &&'static str| (HeaderName::from_static(name), HeaderValue::from_static("x"));
            dialect_of(path, &names.iter().map(header).collect())
        };
        let both = &["anthropic-version", "x-goog-api-key"][..];
        for (path, plain, anthropic, google) in [
            ("/v1/chat/completions", Dialect::ChatCompletions, Dialect::ChatCompletions, Dialect::ChatCompletions),
            ("/v1/responses/resp_1/x", Dialect::Responses, Dialect::Responses, Dialect::Responses),
            ("/v1/messages", Dialect::Messages, Dialect::Messages, Dialect::Messages),
            ("/v1/messages/batches", Dialect::Messages, Dialect::Messages, Dialect::Messages),
            ("/v1beta", Dialect::GenerateContent, Dialect::GenerateContent, Dialect::GenerateContent),
            ("/v1beta/x", Dialect::GenerateContent, Dialect::GenerateContent, Dialect::GenerateContent),
            ("/v1/models/m:countTokens", Dialect::GenerateContent, Dialect::GenerateContent, Dialect::GenerateContent),
            ("/v1/models", Dialect::ChatCompletions, Dialect::Messages, Dialect::GenerateContent),
            ("/v1/models/p:m", Dialect::ChatCompletions, Dialect::Messages, Dialect::GenerateContent),
            (
                "/v1/chat/completions:countTokens",
                Dialect::GenerateContent,
                Dialect::GenerateContent,
                Dialect::GenerateContent,
            ),
            ("/v1betamax", Dialect::ChatCompletions, Dialect::Messages, Dialect::GenerateContent),
            ("/v1/messagesx", Dialect::ChatCompletions, Dialect::Messages, Dialect::GenerateContent),
            ("/", Dialect::ChatCompletions, Dialect::Messages, Dialect::GenerateContent),
        ] {
            assert_eq!(ask(path, &[]), plain, "{path}");
            assert_eq!(ask(path, &["anthropic-version"]), anthropic, "{path}");
            assert_eq!(ask(path, &["x-goog-api-key"]), google, "{path}");
            assert_eq!(ask(path, both), google, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_path_is_judged_without_a_panic(path in "(/v1(beta)?/)?(models/|responses/)?[a-z:/%.0-9]{0,16}(:generateContent)?") {
            let _ = (find(&Method::POST, &path), dialect_of(&path, &HeaderMap::new()));
        }
    }
}
