//! Lists of models as providers give them: OpenAI's, with which most agree, and what others make of it.

use serde::Deserialize;
use serde_json::Value;

/// A page of a provider's list.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct ModelPage {
    /// The names, as the provider calls its models here.
    pub(crate) names: Vec<String>,
    /// Anthropic's mark that the list goes on.
    pub(super) has_more: bool,
    /// Google's mark of the next page.
    pub(super) next_page_token: Option<String>,
}

/// A model as the lists of the field describe it: OpenAI's and Anthropic's `id`, elsewhere only a `name`.
#[derive(Deserialize)]
struct Entry {
    id: Option<String>,
    name: Option<String>,
}

/// OpenAI's and Anthropic's list, or Google's, which servers with an own shape resemble. A server without models may write
/// `null`.
#[derive(Deserialize)]
struct Document {
    #[serde(default, deserialize_with = "present")]
    data: Option<Vec<Entry>>,
    #[serde(default, deserialize_with = "present")]
    models: Option<Vec<Entry>>,
    #[serde(default)]
    has_more: Value,
    #[serde(default, rename = "nextPageToken")]
    next_page_token: Value,
}

/// A member that is there: `null` is an empty list, absence is none.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Entry>>, D::Error> {
    Option::<Vec<Entry>>::deserialize(deserializer).map(|entries| Some(entries.unwrap_or_default()))
}

/// Reads a page.
pub(crate) fn read(body: &[u8]) -> Result<ModelPage, &'static str> {
    let no_json = |_| "its list is no JSON of the kind that is known";
    let mut page = ModelPage::default();
    let entries = if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<Vec<Entry>>(body).map_err(no_json)?
    } else {
        let document: Document = serde_json::from_slice(body).map_err(no_json)?;
        page.has_more = document.has_more == Value::Bool(true);
        page.next_page_token = document.next_page_token.as_str().filter(|token| !token.is_empty()).map(str::to_owned);
        document.data.or(document.models).ok_or("its list has no `data`")?
    };
    page.names = entries.into_iter().filter_map(|entry| entry.id.or(entry.name)).collect();
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Dialect;

    #[test]
    fn the_lists_of_the_field_are_read_and_nothing_else() {
        for (body, expected) in [
            (r#"{"object":"list","data":[{"id":"a","object":"model"},{"id":"b/c:d"}]}"#, Some(&["a", "b/c:d"][..])),
            (r#"{"object":"list","data":null}"#, Some(&[])),
            (r#"{"data":[]}"#, Some(&[])),
            (r#"{"data":[{"id":"a"}],"has_more":"perhaps","nextPageToken":{}}"#, Some(&["a"])),
            (r#"{"models":[{"name":"llama3:8b"}]}"#, Some(&["llama3:8b"])),
            (r#" [{"id":"x"},{"id":"x"},{"id":""},{"name":"y"},{}]"#, Some(&["x", "x", "", "y"])),
            (r#"{"error":"no"}"#, None),
            (r#"{"data":{}}"#, None),
            ("<html>", None),
            ("", None),
        ] {
            let names = read(body.as_bytes()).ok().map(|page| page.names);
            assert_eq!(
                names.as_deref(),
                expected.map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>()).as_deref(),
                "{body}"
            );
        }
    }

    #[test]
    fn each_dialect_asks_for_its_list_and_for_what_follows() {
        let start = Dialect::ALL.map(|dialect| dialect.rules().models_query(None));
        assert_eq!(start, ["", "", "limit=1000", "pageSize=1000"].map(|query| Some(query.to_owned())));

        let page = read(br#"{"data":[{"id":"a"},{"id":"b c/d&e"}],"has_more":true,"nextPageToken":"t=/"}"#).unwrap();
        let next = Dialect::ALL.map(|dialect| dialect.rules().models_query(Some(&page)));
        let expected = [None, None, Some("limit=1000&after_id=b%20c/d%26e"), Some("pageSize=1000&pageToken=t%3D/")];
        assert_eq!(next, expected.map(|query| query.map(str::to_owned)));

        for last in [r#"{"data":[],"has_more":true}"#, r#"{"data":[{"id":"a"}],"has_more":false,"nextPageToken":""}"#] {
            let page = read(last.as_bytes()).unwrap();
            assert_eq!(
                Dialect::ALL.map(|dialect| dialect.rules().models_query(Some(&page))),
                [const { None }; 4],
                "{last}"
            );
        }
    }

    #[test]
    fn google_calls_its_models_models() {
        let name = |listed| Dialect::ALL.map(|dialect| dialect.rules().model_name(listed));
        assert_eq!(name("models/m"), ["models/m", "models/m", "models/m", "m"]);
        assert_eq!(name("m"), ["m"; 4]);
    }
}
