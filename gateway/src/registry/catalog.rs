//! All providers of one snapshot: shipped manifests, then the user's own, then the configuration's overrides.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bitrouter_proto::account::DEFAULT_SERVER;

use super::{Manifest, Model, Provider, ProviderId, RegistryError, shape::nearest};

/// Ids that no user manifest may take: the demo, and the account's own provider.
const RESERVED: &[&str] = &[ProviderId::DEMO, ProviderId::ACCOUNT];

/// A `[providers.x]` section of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderOverride {
    /// Replaces every address of the provider; includes the version segment.
    pub base_url: Option<String>,
    /// Replaces the passthrough variables (`BITROUTER_<ID>_API_KEY` stays the first).
    pub env: Option<Vec<String>>,
    /// `Some(false)` switches the provider off.
    pub enabled: Option<bool>,
}

/// The providers of one snapshot, by id.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    providers: BTreeMap<ProviderId, Arc<Provider>>,
}

impl Catalog {
    /// Lays `user` over `shipped` (whole manifests, by id) and `overrides` over both. `demo` keeps the demo provider.
    pub fn build(
        shipped: Vec<Manifest>,
        user: Vec<Manifest>,
        mut overrides: BTreeMap<ProviderId, ProviderOverride>,
        demo: bool,
    ) -> Result<Self, RegistryError> {
        let mut manifests: BTreeMap<ProviderId, (Manifest, bool)> = BTreeMap::new();
        for manifest in shipped {
            if demo || manifest.id.as_str() != ProviderId::DEMO {
                manifests.insert(manifest.id.clone(), (manifest, false));
            }
        }
        for manifest in user {
            if RESERVED.contains(&manifest.id.as_str()) {
                return Err(RegistryError::Reserved { id: manifest.id, file: manifest.file });
            }
            if let Some((first, true)) = manifests.get(&manifest.id) {
                return Err(RegistryError::TwoManifests {
                    id: manifest.id,
                    first: first.file.clone(),
                    second: manifest.file,
                });
            }
            manifests.insert(manifest.id.clone(), (manifest, true));
        }
        let mut providers = BTreeMap::new();
        for (id, (manifest, users_own)) in manifests {
            let provider = Provider::new(manifest, users_own, overrides.remove(&id).as_ref())?;
            providers.insert(id, Arc::new(provider));
        }
        if let Some(id) = overrides.into_keys().find(|id| id.as_str() != ProviderId::DEMO) {
            let nearest = nearest(id.as_str(), providers.keys().map(ProviderId::as_str));
            let nearest = nearest.map(ProviderId::parse).transpose()?;
            return Err(RegistryError::UnknownProvider { id, nearest });
        }
        let catalog = Self { providers }.with_account(DEFAULT_SERVER, Vec::new())?;
        catalog.check_variables()?;
        Ok(catalog)
    }

    /// The same with the account's own provider at `server`, which lists `models`.
    ///
    /// # Errors
    /// Where `server` is no address.
    pub fn with_account(&self, server: &str, models: Vec<Model>) -> Result<Self, RegistryError> {
        let mut providers = self.providers.clone();
        let provider = Provider::of_account(server, models)?;
        providers.insert(provider.id().clone(), Arc::new(provider));
        Ok(Self { providers })
    }

    /// A variable that is one provider's own must not supply another one's key.
    fn check_variables(&self) -> Result<(), RegistryError> {
        let mut own: HashMap<String, &ProviderId> = HashMap::new();
        for id in self.providers.keys() {
            let variable = id.variable();
            if let Some(first) = own.insert(variable.clone(), id) {
                return Err(RegistryError::OneVariable { first: first.clone(), second: id.clone(), variable });
            }
        }
        for provider in self.providers.values() {
            for variable in provider.key_variables() {
                if let Some(first) = own.get(variable).filter(|first| **first != provider.id()) {
                    return Err(RegistryError::OneVariable {
                        first: (*first).clone(),
                        second: provider.id().clone(),
                        variable: variable.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// All providers in the order of their ids.
    pub fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.providers.values().map(Arc::as_ref)
    }

    /// The provider with this id.
    pub fn get(&self, id: &ProviderId) -> Option<&Provider> {
        self.providers.get(id).map(Arc::as_ref)
    }

    /// The provider whose id this text is.
    pub fn find(&self, id: &str) -> Option<&Provider> {
        self.providers.get(id).map(Arc::as_ref)
    }

    /// The account's own provider, which every catalog has.
    pub fn account(&self) -> Option<&Provider> {
        self.find(ProviderId::ACCOUNT)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        protocol::{Dialect, Verb},
        registry::shipped,
    };

    fn manifest(id: &str, more: &str) -> Manifest {
        let text = format!(
            "id = \"{id}\"\nkind = \"first_party\"\nendpoint = \"https://{id}.example/v1\"\nprotocol = \"chat_completions\"\n{more}"
        );
        Manifest::parse(&text, Path::new(&format!("{id}.toml"))).unwrap()
    }

    fn id(text: &str) -> ProviderId {
        ProviderId::parse(text).unwrap()
    }

    #[test]
    fn the_shipped_registry_builds_with_and_without_the_demo() {
        let with = Catalog::build(shipped().unwrap(), vec![], BTreeMap::new(), true).unwrap();
        let without = Catalog::build(shipped().unwrap(), vec![], BTreeMap::new(), false).unwrap();
        assert!(with.find("demo").is_some() && without.find("demo").is_none());
        let google = with.find("google").unwrap();
        assert_eq!(google.key_variables(), ["BITROUTER_GOOGLE_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"]);
        let chat = |provider: &str| with.find(provider).unwrap().target(Dialect::ChatCompletions).unwrap();
        assert!(chat("google").fixed(Verb::Generate).unwrap().path().ends_with("/openai/chat/completions"));
        let anthropic = chat("anthropic");
        assert_eq!((anthropic.auth_header.as_str(), anthropic.auth_prefix.as_str()), ("authorization", "Bearer "));
        let messages = with.find("anthropic").unwrap().target(Dialect::Messages).unwrap();
        assert_eq!((messages.auth_header.as_str(), messages.auth_prefix.as_str()), ("x-api-key", ""));
        assert!(!with.find("ollama").unwrap().needs_key() && !with.find("ollama").unwrap().configured());
    }

    #[test]
    fn a_users_manifest_replaces_the_shipped_one_whole() {
        let own = manifest("openai", "[[models]]\nid = \"only\"");
        let catalog = Catalog::build(shipped().unwrap(), vec![own], BTreeMap::new(), false).unwrap();
        let openai = catalog.find("openai").unwrap();
        assert_eq!(openai.models().len(), 1);
        assert_eq!(openai.key_variables(), ["BITROUTER_OPENAI_API_KEY"]);
        assert!(openai.configured());
    }

    #[test]
    fn an_override_replaces_every_address_and_the_passthrough_names() {
        let over = ProviderOverride {
            base_url: Some("http://127.0.0.1:9/x/v1".into()),
            env: Some(vec!["MY_KEY".into()]),
            enabled: Some(false),
        };
        let overrides = BTreeMap::from([(id("google"), over)]);
        let catalog = Catalog::build(shipped().unwrap(), vec![], overrides, false).unwrap();
        let google = catalog.find("google").unwrap();
        let chat = google.target(Dialect::ChatCompletions).unwrap();
        assert_eq!(chat.fixed(Verb::Embed).unwrap().path(), "/x/v1/embeddings");
        let own = google.target(Dialect::GenerateContent).unwrap();
        assert_eq!(own.below("/models/m:countTokens").unwrap().path(), "/x/v1/models/m:countTokens");
        for (target, header) in [(chat, "authorization"), (own, "x-goog-api-key")] {
            assert_eq!((target.origin.url.as_str(), target.auth_header.as_str()), ("http://127.0.0.1:9", header));
        }
        assert_eq!(google.key_variables(), ["BITROUTER_GOOGLE_API_KEY", "MY_KEY"]);
        assert!(!google.enabled());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let over = |id: &str, over: ProviderOverride| BTreeMap::from([(self::id(id), over)]);
        let build =
            |user, overrides| Catalog::build(shipped().unwrap(), user, overrides, false).unwrap_err().to_string();
        let error = build(vec![], over("opnai", ProviderOverride::default()));
        assert_eq!(error, "`[providers.opnai]` names no provider; did you mean `openai`");
        let base_url = Some("http://example.com/v1".to_owned());
        let error = build(vec![], over("openai", ProviderOverride { base_url, ..Default::default() }));
        assert!(error.starts_with("[providers.openai] base_url: must be https"), "{error}");
        let error = build(vec![manifest("demo", "")], BTreeMap::new());
        assert_eq!(error, "demo.toml: the id `demo` is reserved; choose another one");
        let error = build(vec![manifest("a", ""), manifest("a", "")], BTreeMap::new());
        assert!(error.starts_with("two manifests have the id `a`"), "{error}");
        let thief = manifest("thief", "[auth]\nenv = [\"BITROUTER_OPENAI_API_KEY\"]");
        let error = build(vec![thief], BTreeMap::new());
        assert!(error.contains("both give the variable BITROUTER_OPENAI_API_KEY"), "{error}");
    }
}
