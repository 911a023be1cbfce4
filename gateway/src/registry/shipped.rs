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

    #[test]
    fn every_shipped_manifest_is_valid_and_named_after_its_file() {
        for manifest in shipped().unwrap() {
            assert_eq!(manifest.origin, Path::new(&format!("registry/{}.toml", manifest.id)));
        }
    }

    #[test]
    fn every_manifest_in_the_directory_is_embedded() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../registry");
        let files = std::fs::read_dir(directory).unwrap();
        let count = files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|e| e == "toml")).count();
        assert_eq!(count, EMBEDDED.len());
    }
}
