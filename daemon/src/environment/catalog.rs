//! Where the registry's words become ours: which variables each provider reads, and the key that a request asks for.

use std::collections::BTreeMap;

use bitrouter_gateway::{
    http::Caller,
    ports::KeySource,
    registry::{Catalog, ProviderId, shipped},
};
use secrecy::SecretString;

use super::{
    keyring::KeyRing,
    names::{KeyNames, KnownNames},
};

/// The variable names of every provider in `catalog`, switched-off ones too.
pub fn key_names(catalog: &Catalog) -> Vec<KeyNames> {
    let names = catalog.providers().map(|provider| KeyNames {
        provider: provider.id().as_str().to_owned(),
        variables: provider.key_variables().to_vec(),
        needs_key: provider.needs_key(),
        enabled: provider.enabled(),
    });
    names.collect()
}

/// The names that the shipped manifests read, sorted: what a client sends where no daemon can be asked.
pub fn shipped_variable_names() -> Vec<String> {
    let catalog = shipped().and_then(|shipped| Catalog::build(shipped, Vec::new(), BTreeMap::new(), false));
    let names = catalog.map(|catalog| key_names(&catalog)).unwrap_or_default();
    KnownNames::of(&names).listed().map(str::to_owned).collect()
}

impl KeySource for KeyRing {
    /// What its user's environment has pays for everybody's calls.
    fn key(&self, _caller: Caller, provider: &ProviderId) -> Option<&SecretString> {
        self.secret(provider.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::{EnvFile, Layers, Pushed};
    use secrecy::ExposeSecret as _;

    #[test]
    fn the_shipped_registry_names_its_variables_and_is_given_its_keys() {
        let catalog = Catalog::build(shipped().unwrap(), vec![], BTreeMap::new(), false).unwrap();
        let names = key_names(&catalog);
        let google = names.iter().find(|names| names.provider == "google").unwrap();
        assert_eq!(google.variables, ["BITROUTER_GOOGLE_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"]);
        assert!(names.iter().any(|names| !names.needs_key));
        let listed = shipped_variable_names();
        assert!(listed.contains(&"GEMINI_API_KEY".to_owned()) && listed.is_sorted());

        let files = [EnvFile::of("/e", &[("GEMINI_API_KEY", "g1"), ("OPENAI_API_KEY", "o1")])];
        let (pushed, process) = (Pushed::default(), bitrouter_proto::env::Environment::default());
        let layers = Layers { pushed: &pushed, env_files: &files, process: &process, parent: None };
        let ring = KeyRing::build(&names, &layers);
        let key = |id: &str| {
            ring.key(Caller::DAEMON, &ProviderId::parse(id).unwrap()).map(|key| key.expose_secret().to_owned())
        };
        assert_eq!(key("google").as_deref(), Some("g1"));
        assert_eq!(key("openai").as_deref(), Some("o1"));
        assert_eq!(key("anthropic"), None);
        assert!(!format!("{ring:?}").contains("\"g1\""));
    }
}
