//! Models in one shape that OpenAI, Anthropic, BitRouter and tokenroute readers all parse.
//!
//! Source: OpenAI API reference, "Models"; Anthropic API reference, "Models".

use serde_json::{Value, json};

use super::Listed;
use crate::{meter::price_schedule::unix_seconds, registry::Price};

/// The registry does not say when a model appeared; a date that moved would look like a new model.
const CREATED: (u64, &str) = (1_767_225_600, "2026-01-01T00:00:00Z");

/// A part of a list.
pub(super) fn list(entries: &[Value], part: &[Listed<'_>], more: bool) -> Value {
    json!({
        "object": "list",
        "data": entries,
        "has_more": more,
        "first_id": part.first().map(|listed| &listed.id),
        "last_id": part.last().map(|listed| &listed.id),
    })
}

/// One model.
pub(super) fn entry(listed: &Listed<'_>) -> Value {
    let model = listed.model;
    let max_output = model.and_then(|model| model.max_output_tokens);
    let pricing = model.and_then(|model| model.pricing.as_ref()).map(|pricing| pricing.at(unix_seconds()));
    let input = pricing.as_ref().and_then(|pricing| pricing.input_tokens.no_cache);
    let output = pricing.as_ref().and_then(|pricing| pricing.output_tokens.text);
    let mut entry = json!({
        "id": listed.id,
        "object": "model",
        "type": "model",
        "created": CREATED.0,
        "created_at": CREATED.1,
        "lifecycle": "active",
        "owned_by": listed.provider.id().as_str(),
        "name": listed.name(),
        "display_name": listed.display_name(),
        "input_modalities": listed.input_modalities(),
        "output_modalities": listed.output_modalities(),
        "capabilities": model.map(|model| model.capabilities.as_slice()).unwrap_or_default(),
        "max_input_tokens": model.and_then(|model| model.max_input_tokens),
        "max_output_tokens": max_output,
        "max_tokens": max_output,
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

/// One model for readers to whom `capabilities` is an object that answers for every feature of Anthropic's API, or null
/// where they are not known.
pub(super) fn anthropic_entry(listed: &Listed<'_>) -> Value {
    let mut entry = entry(listed);
    entry["capabilities"] = Value::Null;
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
