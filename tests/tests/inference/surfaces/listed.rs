//! The reviewed list: every method and path that may reach a provider, whose dialect it is, where it arrives. A change of
//! it is a change of what can spend money or read what somebody stored.

use bitrouter_tests::dialects::Vendor;

use super::voice::Voice;

/// One line of the list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) method: &'static str,
    /// As a caller writes it; a model in it is `m` of the provider that the line leads to.
    pub(super) path: &'static str,
    /// Whose provider it leads to.
    pub(super) vendor: Vendor,
    /// How its errors are written.
    pub(super) voice: Voice,
    /// Where it arrives.
    pub(super) target: &'static str,
    /// A usual body, where one is posted.
    pub(super) body: &'static str,
}

const fn openai(path: &'static str, body: &'static str) -> Line {
    Line { method: "POST", path, vendor: Vendor::OpenAi, voice: Voice::OpenAi, target: path, body }
}

const fn stored(method: &'static str, path: &'static str, body: &'static str) -> Line {
    Line { method, ..openai(path, body) }
}

const fn anthropic(path: &'static str, body: &'static str) -> Line {
    Line { method: "POST", path, vendor: Vendor::Anthropic, voice: Voice::Anthropic, target: path, body }
}

const fn google(path: &'static str, target: &'static str, body: &'static str) -> Line {
    Line { method: "POST", path, vendor: Vendor::Google, voice: Voice::Google, target, body }
}

const CONTENTS: &str = r#"{"contents":[{"role":"user","parts":[{"text":"x"}]}]}"#;
const CONTENT: &str = r#"{"model":"models/m","content":{"parts":[{"text":"x"}]}}"#;
const REQUESTS: &str = r#"{"requests":[{"model":"models/m","content":{"parts":[{"text":"x"}]}}]}"#;
const TURN: &str = r#"{"model":"anthropic:m","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#;
const TURN_TO_COUNT: &str = r#"{"model":"anthropic:m","messages":[{"role":"user","content":"x"}]}"#;

/// The list. Google's verbs stand once for each way to spell what is before them.
pub(super) const LIST: [Line; 23] = [
    openai("/v1/chat/completions", r#"{"model":"openai:m","messages":[{"role":"user","content":"x"}]}"#),
    openai("/v1/completions", r#"{"model":"openai:m","prompt":"x"}"#),
    openai("/v1/embeddings", r#"{"model":"openai:m","input":"x"}"#),
    openai("/v1/responses", r#"{"model":"openai:m","input":"x"}"#),
    openai("/v1/responses/input_tokens", r#"{"model":"openai:m","input":"x"}"#),
    stored("GET", "/v1/responses/resp_1", ""),
    stored("DELETE", "/v1/responses/resp_1", ""),
    stored("GET", "/v1/responses/resp_1/input_items", ""),
    stored("POST", "/v1/responses/resp_1/cancel", "{}"),
    anthropic("/v1/messages", TURN),
    anthropic("/v1/messages/count_tokens", TURN_TO_COUNT),
    google("/v1beta/models/google:m:generateContent", "/v1beta/models/m:generateContent", CONTENTS),
    google("/v1beta/models/google:m:streamGenerateContent", "/v1beta/models/m:streamGenerateContent", CONTENTS),
    google("/v1beta/models/google:m:countTokens", "/v1beta/models/m:countTokens", CONTENTS),
    google("/v1beta/models/google:m:embedContent", "/v1beta/models/m:embedContent", CONTENT),
    google("/v1beta/models/google:m:batchEmbedContents", "/v1beta/models/m:batchEmbedContents", REQUESTS),
    google("/v1/models/google:m:generateContent", "/v1beta/models/m:generateContent", CONTENTS),
    google("/v1/models/google:m:streamGenerateContent", "/v1beta/models/m:streamGenerateContent", CONTENTS),
    google("/v1/models/google:m:countTokens", "/v1beta/models/m:countTokens", CONTENTS),
    google("/v1/models/google:m:embedContent", "/v1beta/models/m:embedContent", CONTENT),
    google("/v1/models/google:m:batchEmbedContents", "/v1beta/models/m:batchEmbedContents", REQUESTS),
    google("/v1beta/google:m:generateContent", "/v1beta/models/m:generateContent", CONTENTS),
    google("/v1/google:m:streamGenerateContent", "/v1beta/models/m:streamGenerateContent", CONTENTS),
];

/// The lines that are posted to with a body that is read.
pub(super) fn posted() -> impl Iterator<Item = &'static Line> {
    LIST.iter().filter(|line| line.method == "POST" && !line.path.ends_with("/cancel"))
}

/// A line of each dialect.
pub(super) fn of_each_dialect() -> impl Iterator<Item = &'static Line> {
    ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1beta/models/google:m:generateContent"]
        .into_iter()
        .filter_map(|path| LIST.iter().find(|line| line.path == path))
}
