//! The list of models that an account's server gives, with limits and prices: our own nodes' and the public service's shape,
//! of which OpenAI's plain list is a part.
//!
//! What cannot be read of a model is left out: a price that is no price makes it unpriced, never free.

use std::collections::HashSet;

use bitrouter_proto::account::is_hidden;
use serde::Deserialize;
use serde_json::Value;

use super::routing_fields::LONGEST_MODEL;
use crate::registry::{Model, Pricing};

/// The most models of one list.
const MOST_MODELS: usize = 5_000;
/// The most capabilities of one model, and the longest of them.
const MOST_CAPABILITIES: usize = 32;

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    data: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    max_input_tokens: Value,
    #[serde(default)]
    max_output_tokens: Value,
    #[serde(default)]
    capabilities: Value,
    #[serde(default)]
    input_modalities: Value,
    #[serde(default)]
    output_modalities: Value,
    #[serde(default)]
    pricing: Value,
}

/// Reads a list.
pub(crate) fn read(body: &[u8]) -> Result<Vec<Model>, &'static str> {
    let document: Document =
        serde_json::from_slice(body).map_err(|_| "its list is no JSON of the kind that is known")?;
    let entries = document.data.ok_or("its list has no `data`")?;
    let mut seen = HashSet::new();
    let models = entries.into_iter().filter_map(Entry::model).filter(|model| seen.insert(model.id.clone()));
    Ok(models.take(MOST_MODELS).collect())
}

impl Entry {
    fn model(self) -> Option<Model> {
        let id = self.id.as_str().filter(|id| is_name(id, LONGEST_MODEL))?;
        let mut capabilities: Vec<String> = words(&self.capabilities).map(str::to_owned).collect();
        let modalities = |list: &Value, suffix: &'static str| -> Vec<String> {
            words(list).filter(|word| *word != "text").map(|word| format!("{word}{suffix}")).collect()
        };
        capabilities.extend(modalities(&self.input_modalities, "_input"));
        if words(&self.output_modalities).any(|word| word == "embeddings") {
            capabilities.push("embeddings".to_owned());
        } else {
            capabilities.extend(modalities(&self.output_modalities, "_output"));
        }
        let mut seen = HashSet::new();
        capabilities.retain(|capability| seen.insert(capability.clone()));
        capabilities.truncate(MOST_CAPABILITIES);
        let pricing = pricing(self.pricing, capabilities.iter().any(|capability| capability == "embeddings"));
        Some(Model {
            id: id.to_owned(),
            provider_model_id: None,
            max_input_tokens: self.max_input_tokens.as_u64().filter(|tokens| *tokens > 0),
            max_output_tokens: self.max_output_tokens.as_u64().filter(|tokens| *tokens > 0),
            capabilities,
            pricing,
            ..Model::default()
        })
    }
}

/// A price that can be read whole and says what a token in and, where there are any, a token out costs.
fn pricing(value: Value, embeds: bool) -> Option<Pricing> {
    let mut value = without_nulls(value);
    if let Some(members) = value.as_object_mut() {
        // What a server may write there is not the manifests' table of dates.
        members.remove("changes");
    }
    let pricing = Pricing::deserialize(value).ok()?;
    let rises = pricing.unordered().is_none();
    let says = pricing.input_tokens.no_cache.is_some() && (embeds || pricing.output_tokens.text.is_some());
    Some(pricing).filter(|_| rises && says)
}

/// The same without members that are null: absence, as some servers write it.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let present = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(present.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        plain => plain,
    }
}

fn words(list: &Value) -> impl Iterator<Item = &str> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).filter(|word| is_name(word, 64)).take(MOST_CAPABILITIES)
}

fn is_name(text: &str, longest: usize) -> bool {
    !text.is_empty() && text.len() <= longest && !text.chars().any(is_hidden)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn one(entry: Value) -> Option<Model> {
        let mut body = json!({ "data": [] });
        body["data"] = Value::Array(vec![entry]);
        let body = body.to_string();
        let mut models = read(body.as_bytes()).unwrap();
        assert!(models.len() <= 1);
        models.pop()
    }

    #[test]
    fn limits_and_prices_are_read() {
        let model = one(json!({
            "id": "anthropic/claude", "name": "Claude", "max_input_tokens": 200_000, "max_output_tokens": 8192,
            "capabilities": ["tools", "reasoning", 7], "input_modalities": ["text", "image"], "output_modalities": ["text"],
            "pricing": {
                "input_tokens": {"no_cache": 3, "cache_read": 0.3, "cache_write": null, "unknown": 1},
                "output_tokens": {"text": 15.0, "image": null},
                "context_tiers": [{"above_input_tokens": 100_000, "input_tokens": {"no_cache": 6}, "output_tokens": {"text": 22.5}}],
            },
            "providers": {"total_online": 3},
        }))
        .unwrap();
        assert_eq!((model.max_input_tokens, model.max_output_tokens), (Some(200_000), Some(8192)));
        assert_eq!(model.capabilities, ["tools", "reasoning", "image_input"]);
        let pricing = model.pricing.unwrap();
        let micro = |price: Option<crate::registry::Price>| price.map(crate::registry::Price::micro_usd_per_million);
        assert_eq!(micro(pricing.input_tokens.no_cache), Some(3_000_000));
        assert_eq!(micro(pricing.input_tokens.cache_read), Some(300_000));
        assert_eq!((pricing.input_tokens.cache_write, micro(pricing.output_tokens.text)), (None, Some(15_000_000)));
        assert_eq!(pricing.context_tiers[0].above_input_tokens, 100_000);
        assert_eq!(micro(pricing.context_tiers[0].output_tokens.text), Some(22_500_000));
    }

    #[test]
    fn openais_plain_list_gives_names_without_limits_or_prices() {
        let plain = one(json!({"id": "gpt-4o", "object": "model", "created": 1, "owned_by": "openai"})).unwrap();
        assert_eq!(plain, Model { id: "gpt-4o".to_owned(), ..Model::default() });
        let free = one(json!({"id": "m", "pricing": {"input_tokens": {"no_cache": 0}, "output_tokens": {"text": 0}}}))
            .unwrap();
        assert_eq!(free.pricing.unwrap().input_tokens.no_cache, Some(crate::registry::Price::default()));
    }

    #[test]
    fn what_is_no_price_is_unpriced_and_never_free() {
        for pricing in [
            json!(null),
            json!({}),
            json!("cheap"),
            json!({"input_tokens": {"no_cache": "3"}, "output_tokens": {"text": 1}}),
            json!({"input_tokens": {"no_cache": -1}, "output_tokens": {"text": 1}}),
            json!({"input_tokens": {"no_cache": 1e-9}, "output_tokens": {"text": 1}}),
            json!({"input_tokens": {"no_cache": 1e12}, "output_tokens": {"text": 1}}),
            json!({"input_tokens": {"no_cache": 1}}),
            json!({"output_tokens": {"text": 1}}),
            json!({"input_tokens": {"no_cache": 1}, "output_tokens": {"text": 1}, "context_tiers": [{"above_input_tokens": -1}]}),
            json!({"input_tokens": {"no_cache": 1}, "output_tokens": {"text": 1},
                   "context_tiers": [{"above_input_tokens": 2}, {"above_input_tokens": 2}]}),
        ] {
            assert_eq!(one(json!({"id": "m", "pricing": pricing.clone()})).unwrap().pricing, None, "{pricing}");
        }
    }

    #[test]
    fn names_that_nobody_can_call_and_limits_that_are_none_are_left_out() {
        for id in [json!(""), json!("a\nb"), json!("a\u{1b}[31m"), json!("x".repeat(513)), json!(7), json!(null)] {
            assert_eq!(one(json!({"id": id.clone()})), None, "{id}");
        }
        let odd = one(json!({"id": "m", "max_input_tokens": -5, "max_output_tokens": "9", "capabilities": {"a": 1}}));
        assert_eq!(odd, Some(Model { id: "m".to_owned(), ..Model::default() }));
        let many: Vec<Value> = (0..6_000).map(|number| json!({"id": format!("m{}", number % 5_500)})).collect();
        assert_eq!(read(json!({ "data": many }).to_string().as_bytes()).unwrap().len(), MOST_MODELS);
        for bad in ["", "<html>", "{}", "[]", r#"{"data":null}"#, r#"{"data":[1]}"#, r#"{"error":"no"}"#] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
