//! `GET /v1/models`: what is reachable now, in one shape that OpenAI, Anthropic, BitRouter and tokenroute readers
//! all parse.

use std::sync::Arc;

use futures_util::future::join_all;
use http::Response;
use serde_json::{Value, json};

use super::{
    model_errors::{explain, not_found},
    model_in_path::check_model_in_path,
    own_response::json_response,
    response_body::ResponseBody,
};
use crate::{
    Gateway,
    error::InferenceError,
    live_models,
    percent::percent_decoded,
    protocol::Dialect,
    registry::{Model, Price, Provider},
};

/// The registry does not say when a model appeared; a date that moved would look like a new model.
const CREATED: (u64, &str) = (1_767_225_600, "2026-01-01T00:00:00Z");

/// What a reader of OpenAI's lists speaks.
const SPOKEN: &[Dialect] = &[Dialect::ChatCompletions, Dialect::Responses];

/// Every model of every provider that can be reached now. Who lists none in the manifest is asked for them.
pub(super) async fn list(gateway: &Arc<Gateway>) -> Response<ResponseBody> {
    let snapshot = gateway.snapshot();
    let reachable = |p: &&Provider| p.speaks(SPOKEN) && snapshot.usable(p);
    let usable = snapshot.catalog.providers().filter(reachable);
    let entries = usable.map(async |provider| {
        if !gateway.local_active(provider).await {
            return Vec::new();
        }
        if provider.models().is_empty() {
            let names = live_models::names(gateway, &snapshot, provider).await;
            return names.iter().map(|name| entry(provider, name, None)).collect();
        }
        provider.models().iter().map(|model| entry(provider, &model.id, Some(model))).collect()
    });
    let data: Vec<Value> = join_all(entries).await.into_iter().flatten().collect();
    let id = |entry: Option<&Value>| entry.map_or(Value::Null, |entry| entry["id"].clone());
    let (first, last) = (id(data.first()), id(data.last()));
    let document = json!({ "object": "list", "data": data, "has_more": false, "first_id": first, "last_id": last });
    json_response(document.to_string().into_bytes())
}

/// One model, by any name that a call would take: a provider that is named explicitly is asked for what it does not list
/// too, but for the demo, which knows all it has.
pub(super) async fn retrieve(gateway: &Arc<Gateway>, raw: &str) -> Result<Response<ResponseBody>, InferenceError> {
    let snapshot = gateway.snapshot();
    let name = String::from_utf8_lossy(&percent_decoded(raw)).into_owned();
    check_model_in_path(&name)?;
    let route = snapshot.resolve(&name, SPOKEN).map_err(|refusal| explain(&name, refusal, &snapshot, SPOKEN))?;
    let provider = route.provider;
    if route.listed.is_none() && provider.is_demo() {
        return Err(not_found(&name, &snapshot, SPOKEN, &format!("`{}` does not list it", provider.id())));
    }
    if !gateway.local_active(provider).await {
        return Err(not_found(&name, &snapshot, SPOKEN, &format!("`{}` is not running", provider.id())));
    }
    Ok(json_response(entry(provider, route.model, route.listed).to_string().into_bytes()))
}

fn entry(provider: &Provider, id: &str, model: Option<&Model>) -> Value {
    let can = |capability: &str| model.is_some_and(|model| model.can(capability));
    let modalities = |first: &'static str, pairs: &[(&str, &'static str)]| -> Vec<&'static str> {
        let more = pairs.iter().filter(|(capability, _)| can(capability)).map(|(_, name)| *name);
        std::iter::once(first).chain(more).collect()
    };
    let pricing = model.and_then(|model| model.pricing.as_ref());
    let input = pricing.and_then(|pricing| pricing.input_tokens.no_cache);
    let output = pricing.and_then(|pricing| pricing.output_tokens.text);
    let full = format!("{}/{id}", provider.id());
    let mut entry = json!({
        "id": full,
        "object": "model",
        "type": "model",
        "created": CREATED.0,
        "created_at": CREATED.1,
        "owned_by": provider.id().as_str(),
        "name": id,
        "display_name": format!("{id} ({})", provider.name()),
        "input_modalities": modalities("text", &[
            ("image_input", "image"),
            ("audio_input", "audio"),
            ("video_input", "video"),
            ("file_input", "file"),
        ]),
        "output_modalities": if can("embeddings") {
            vec!["embeddings"]
        } else {
            modalities("text", &[("image_output", "image"), ("audio_output", "audio")])
        },
        "capabilities": model.map(|model| model.capabilities.as_slice()).unwrap_or_default(),
        "max_input_tokens": model.and_then(|model| model.max_input_tokens),
        "max_output_tokens": model.and_then(|model| model.max_output_tokens),
        "providers": { "total_online": 1 },
        "complexity_tier": tier(output.or(input)),
        "input_usd_per_1k": input.map(Price::usd_per_thousand),
        "output_usd_per_1k": output.map(Price::usd_per_thousand),
    });
    // Absent is unpriced; a reader must not take it for free.
    if let Some(pricing) = pricing.and_then(|pricing| serde_json::to_value(pricing).ok()) {
        entry["pricing"] = pricing;
    }
    entry
}

/// A rough class by price, for readers that sort by it.
fn tier(price: Option<Price>) -> Option<&'static str> {
    Some(match price?.usd_per_million() {
        cheap if cheap < 2.0 => "simple",
        middle if middle < 12.0 => "medium",
        _ => "complex",
    })
}
