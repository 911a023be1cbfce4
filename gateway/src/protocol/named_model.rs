//! The models that a reply names, where somebody wants to know: each name that is told in its place, once.

use super::{json_read, json_scan::JsonScan, routing_fields::string, sse_event::data_of};

/// A name that is longer than this, in bytes, is no model's.
const LONGEST: usize = 512;
/// No reply has more to name.
const MOST: usize = 8;

/// What is known of it.
#[derive(Debug)]
pub(crate) struct NamedModel {
    /// The members that lead to it.
    path: &'static [&'static str],
    found: Vec<String>,
    /// Follows a document that comes in pieces.
    scan: Option<JsonScan>,
}

impl NamedModel {
    /// The name to which these members lead.
    pub(super) fn new(path: &'static [&'static str]) -> Self {
        Self { path, found: Vec::new(), scan: None }
    }

    /// The names until now, in their order.
    pub(super) fn found(&self) -> &[String] {
        &self.found
    }

    fn add(&mut self, name: Option<String>) {
        if let Some(name) = name
            && self.found.len() < MOST
            && !self.found.contains(&name)
        {
            self.found.push(name);
        }
    }

    /// Takes note of whole events.
    pub(super) fn read_events(&mut self, events: &[u8]) {
        for data in data_of(events) {
            self.add(name_in(&data, self.path));
        }
    }

    /// Takes note of a whole element.
    pub(super) fn read(&mut self, document: &[u8]) {
        self.add(name_in(document, self.path));
    }

    /// Takes note of the next piece of a document, or of all of it.
    pub(super) fn read_piece(&mut self, piece: &[u8]) {
        if !self.found.is_empty() {
            return;
        }
        let scan = self.scan.get_or_insert_with(|| JsonScan::new(self.path));
        scan.push(piece);
        let name = scan.copy().and_then(|copy| name_in(copy.as_bytes(), self.path));
        self.add(name);
    }
}

/// The name at the end of `path`, where there is one.
fn name_in(document: &[u8], path: &[&str]) -> Option<String> {
    let mut value = std::str::from_utf8(document).ok()?;
    for name in path {
        let [found] = json_read::camel_values(value, [*name])?;
        value = found?;
    }
    let name = string(value)?;
    (!name.is_empty() && name.len() <= LONGEST).then(|| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Dialect;

    #[test]
    fn each_name_in_its_place_is_a_models() {
        let long = format!(r#"data: {{"model":"{}"}}"#, "x".repeat(LONGEST + 1));
        for (dialect, events, name) in [
            (
                Dialect::ChatCompletions,
                "data: {\"model\":\"\",\"choices\":[]}\n\ndata: {\"x\":{\"model\":\"no\"},\"model\":\"gpt\\u002d5\"}\n\ndata: {\"model\":\"b\"}\n\n",
                &["gpt-5", "b"][..],
            ),
            (Dialect::ChatCompletions, long.as_str(), &[]),
            (Dialect::ChatCompletions, "data: {\"model\":7}\n\ndata: [DONE]\n\n", &[]),
            (
                Dialect::Messages,
                "data: {\"type\":\"ping\",\"model\":\"no\"}\n\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"claude\"}}\n\n",
                &["claude"],
            ),
            (Dialect::Responses, "data: {\"response\":{\"model\":\"gpt\"}}\n\n", &["gpt"]),
            (
                Dialect::GenerateContent,
                "data: {\"model_version\":\"gemini\"}\n\ndata: {\"modelVersion\":\"gemma\"}\n\n",
                &["gemini", "gemma"],
            ),
        ] {
            let mut model = NamedModel::new(dialect.rules().model_path(true));
            events.split_inclusive("\n\n").for_each(|event| model.read_events(event.as_bytes()));
            assert_eq!(model.found(), name, "{dialect}");
        }
    }

    #[test]
    fn a_document_names_it_whatever_its_pieces_are() {
        for (dialect, document, name) in [
            (Dialect::ChatCompletions, r#"{"id":"x","model" : "gpt-5","choices":[{"model":"no"}]}"#, Some("gpt-5")),
            (Dialect::Messages, r#"{"content":[{"model":"no"}],"model":"cl\u0061ude"}"#, Some("claude")),
            (Dialect::Responses, r#"{"response":{"model":"no"}}"#, None),
            (Dialect::GenerateContent, r#"{"modelVersion":"gemini","candidates":[]}"#, Some("gemini")),
            (Dialect::GenerateContent, r#"{"candidates":[],"model_version":"gemini"}"#, Some("gemini")),
            (Dialect::GenerateContent, r#"[{"modelVersion":"gemini"}]"#, None),
        ] {
            for size in [1, 7, 1000] {
                let mut model = NamedModel::new(dialect.rules().model_path(false));
                document.as_bytes().chunks(size).for_each(|piece| model.read_piece(piece));
                assert_eq!(model.found().first().map(String::as_str), name, "{document}");
            }
        }
    }
}
