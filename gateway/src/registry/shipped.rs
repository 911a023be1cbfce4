//! The manifests that are part of the binary.

use std::path::Path;

use super::{Manifest, RegistryError};

macro_rules! embedded {
    ($($id:literal),* $(,)?) => {
        &[$((concat!("registry/", $id, ".toml"), include_str!(concat!("../../../registry/", $id, ".toml")))),*]
    };
}

const EMBEDDED: &[(&str, &str)] = embedded![
    "anthropic",
    "deepseek",
    "demo",
    "fireworks",
    "google",
    "groq",
    "lmstudio",
    "mistral",
    "ollama",
    "openai",
    "openrouter",
    "together",
    "vllm",
    "xai",
];

/// The shipped manifests.
pub fn shipped() -> Result<Vec<Manifest>, RegistryError> {
    EMBEDDED.iter().map(|(name, text)| Manifest::parse(text, Path::new(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{
        OutputCap, Price, ProviderId,
        auth::{key_header, scheme_before},
    };

    #[test]
    fn every_shipped_manifest_is_valid_and_named_after_its_file() {
        for manifest in shipped().unwrap() {
            assert_eq!(manifest.file, Path::new(&format!("registry/{}.toml", manifest.id)));
        }
    }

    #[test]
    fn every_manifest_in_the_directory_is_embedded() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../registry");
        let files = std::fs::read_dir(directory).unwrap();
        let count = files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|e| e == "toml")).count();
        assert_eq!(count, EMBEDDED.len());
    }
    /// The text of a shipped manifest.
    fn text_of(id: &str) -> &'static str {
        let file = format!("registry/{id}.toml");
        EMBEDDED.iter().find(|(name, _)| *name == file).unwrap().1
    }

    #[test]
    fn four_manifests_list_about_ten_models_with_limits_and_prices() {
        for id in ["openai", "anthropic", "google", "openrouter"] {
            let manifest = Manifest::parse(text_of(id), Path::new(id)).unwrap();
            assert!((8..=14).contains(&manifest.models.len()), "{id}: {} models", manifest.models.len());
            for model in &manifest.models {
                let name = format!("{id}/{}", model.id);
                assert!(model.max_input_tokens.is_some_and(|tokens| tokens > 1_000), "{name}: no input limit");
                let embeds = model.can("embeddings");
                assert_eq!(model.max_output_tokens.is_none(), embeds, "{name}: no output limit");
                let pricing = model.pricing.as_ref().unwrap_or_else(|| panic!("{name} is unpriced"));
                let (input, output) = (pricing.input_tokens, pricing.output_tokens);
                // Free is written 0.
                assert!(input.no_cache.is_some() && output.text.is_some(), "{name}: half a price");
                let dearer = |more: Option<Price>, less: Option<Price>| more.is_none() || more >= less;
                assert!(dearer(input.no_cache, input.cache_read), "{name}: a cached token costs more");
                assert!(embeds || dearer(output.text, input.no_cache), "{name}: output costs less than input");
                let mut above = 0;
                for tier in &pricing.context_tiers {
                    assert!(tier.above_input_tokens > above, "{name}: tiers do not rise");
                    above = tier.above_input_tokens;
                    assert!(model.max_input_tokens > Some(above), "{name}: a tier that nobody reaches");
                    assert!(tier.input_tokens.no_cache > input.no_cache, "{name}: a tier that costs no more");
                }
            }
        }
    }

    #[test]
    fn they_say_how_many_tokens_a_picture_is_and_what_its_tokens_cost_in_time() {
        for id in ["openai", "anthropic", "google", "openrouter"] {
            let manifest = Manifest::parse(text_of(id), Path::new(id)).unwrap();
            for model in manifest.models.iter().filter(|model| model.can("image_input")) {
                // Its pictures are cut into as many tiles as they fill.
                let has_no_bound = model.id.contains("gemini-2.5");
                let bounded = model.max_image_tokens.is_some_and(|most| (1_000..50_000).contains(&most));
                assert!(bounded != has_no_bound, "{id}/{}: {:?}", model.id, model.max_image_tokens);
            }
            for model in manifest.models {
                let pricing = model.pricing.unwrap();
                // Whoever writes to a cache for an hour is one of Anthropic's.
                let is_claude = model.id.contains("claude");
                assert_eq!(pricing.input_tokens.cache_write_1h.is_some(), is_claude, "{id}/{}", model.id);
                let doubles = ["3.6-flash", "3.7-flash", "3.8-flash"].iter().any(|name| model.id.ends_with(name));
                assert_eq!(pricing.changes.len(), usize::from(doubles), "{id}/{}", model.id);
                for change in &pricing.changes {
                    let now = (pricing.input_tokens.no_cache.unwrap(), pricing.output_tokens.text.unwrap());
                    let later = (change.input_tokens.no_cache.unwrap(), change.output_tokens.text.unwrap());
                    assert!(later > now, "{id}/{}", model.id);
                }
            }
        }
    }

    #[test]
    fn only_openai_caps_the_output_of_a_chat_by_its_own_name() {
        for manifest in shipped().unwrap() {
            let own = manifest.id.as_str() == "openai";
            assert_eq!(manifest.output_cap == OutputCap::MaxCompletionTokens, own, "{}", manifest.id);
        }
    }

    /// Fails where the comment at the head of a manifest does not name, after `what`, a page and a date.
    fn sourced(id: &str, what: &str) {
        let head: Vec<_> = text_of(id).lines().map_while(|line| line.strip_prefix("# ")).collect();
        let head = head.join(" ");
        let (_, said) = head.split_once(what).unwrap_or_else(|| panic!("{id}: nothing about {what}: {head}"));
        let (source, date) = said.split_once("looked up ").unwrap_or_else(|| panic!("{id}: no date: {said}"));
        let shape: String = date.chars().take(10).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00", "{id}: {said}");
        // A page that people can open.
        let page = [".com/", ".dev/", ".ai/", ".ai,", "…/"].iter().any(|page| source.contains(page));
        assert!(page, "{id}: no source: {source}");
    }

    #[test]
    fn they_say_where_limits_and_prices_come_from_and_when_that_was() {
        for id in ["openai", "anthropic", "google", "openrouter"] {
            sourced(id, "Limits and prices");
        }
    }

    /// Every protocol of every provider with its base address, and the header that carries the key.
    const SERVED: &str = "
        anthropic chat_completions https://api.anthropic.com/v1 authorization: Bearer
        anthropic messages https://api.anthropic.com/v1 x-api-key:
        deepseek chat_completions https://api.deepseek.com authorization: Bearer
        deepseek responses https://api.deepseek.com authorization: Bearer
        deepseek messages https://api.deepseek.com/anthropic/v1 authorization: Bearer
        fireworks chat_completions https://api.fireworks.ai/inference/v1 authorization: Bearer
        fireworks responses https://api.fireworks.ai/inference/v1 authorization: Bearer
        fireworks messages https://api.fireworks.ai/inference/v1 authorization: Bearer
        google chat_completions https://generativelanguage.googleapis.com/v1beta/openai authorization: Bearer
        google generate_content https://generativelanguage.googleapis.com/v1beta x-goog-api-key:
        groq chat_completions https://api.groq.com/openai/v1 authorization: Bearer
        groq responses https://api.groq.com/openai/v1 authorization: Bearer
        lmstudio chat_completions http://127.0.0.1:1234/v1 authorization: Bearer
        lmstudio responses http://127.0.0.1:1234/v1 authorization: Bearer
        lmstudio messages http://127.0.0.1:1234/v1 authorization: Bearer
        mistral chat_completions https://api.mistral.ai/v1 authorization: Bearer
        mistral responses https://api.mistral.ai/v1 authorization: Bearer
        ollama chat_completions http://127.0.0.1:11434/v1 authorization: Bearer
        ollama responses http://127.0.0.1:11434/v1 authorization: Bearer
        ollama messages http://127.0.0.1:11434/v1 authorization: Bearer
        openai chat_completions https://api.openai.com/v1 authorization: Bearer
        openai responses https://api.openai.com/v1 authorization: Bearer
        openrouter chat_completions https://openrouter.ai/api/v1 authorization: Bearer
        openrouter responses https://openrouter.ai/api/v1 authorization: Bearer
        openrouter messages https://openrouter.ai/api/v1 authorization: Bearer
        together chat_completions https://api.together.ai/v1 authorization: Bearer
        vllm chat_completions http://127.0.0.1:8000/v1 authorization: Bearer
        vllm responses http://127.0.0.1:8000/v1 authorization: Bearer
        vllm messages http://127.0.0.1:8000/v1 authorization: Bearer
        xai chat_completions https://api.x.ai/v1 authorization: Bearer
        xai responses https://api.x.ai/v1 authorization: Bearer
    ";

    #[test]
    fn they_say_what_is_served_where_and_how_it_takes_its_key() {
        let mut served = Vec::new();
        for manifest in shipped().unwrap() {
            // Nothing connects to the demo: it is answered inside the process.
            if manifest.id.as_str() == ProviderId::DEMO {
                continue;
            }
            let auth = &manifest.auth;
            let mut row = |protocol: &str, url: &str, header: Option<&str>, scheme: Option<&str>| {
                let header = key_header(header).unwrap();
                let scheme = scheme_before(scheme, &header).unwrap();
                served.push(format!("{} {protocol} {url} {header}: {scheme}", manifest.id).trim_end().to_owned());
            };
            for protocol in manifest.protocols.iter().filter(|protocol| !manifest.endpoints.contains_key(protocol)) {
                row(protocol.as_str(), &manifest.endpoint, auth.header.as_deref(), auth.scheme.as_deref());
            }
            for (protocol, endpoint) in &manifest.endpoints {
                // A header of its own does not inherit the scheme of another header.
                let inherited = auth.scheme.as_deref().filter(|_| endpoint.header.is_none());
                let header = endpoint.header.as_deref().or(auth.header.as_deref());
                row(protocol.as_str(), &endpoint.url, header, endpoint.scheme.as_deref().or(inherited));
            }
            sourced(manifest.id.as_str(), "What is served where:");
        }
        let mut expected: Vec<_> = SERVED.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        served.sort_unstable();
        expected.sort_unstable();
        assert_eq!(served, expected);
    }

    #[test]
    fn only_anthropic_wants_more_headers_than_the_key_and_nobody_refuses_to_tell_usage_in_streams() {
        for manifest in shipped().unwrap() {
            let more: Vec<_> = manifest.auth.extra_headers.into_iter().collect();
            let anthropic = [("anthropic-version".to_owned(), "2023-06-01".to_owned())];
            assert_eq!(more, if manifest.id.as_str() == "anthropic" { &anthropic[..] } else { &[] }, "{}", manifest.id);
            assert!(manifest.stream_usage, "{}", manifest.id);
        }
    }
}
