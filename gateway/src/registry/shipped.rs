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
    use crate::registry::Price;

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
    fn they_say_where_limits_and_prices_come_from_and_when_that_was() {
        for id in ["openai", "anthropic", "google", "openrouter"] {
            let head: Vec<_> = text_of(id).lines().take_while(|line| line.starts_with('#')).collect();
            let head = head.join(" ");
            let (_, date) = head.split_once("looked up ").unwrap_or_else(|| panic!("{id}: no date: {head}"));
            let shape: String = date.chars().take(10).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            assert_eq!(shape, "0000-00-00", "{id}: {head}");
            // A page that people can open.
            assert!([".com/", ".dev/", ".ai,"].iter().any(|page| head.contains(page)), "{id}: no source: {head}");
        }
    }
}
