//! What one reading of everything gave: a value that is either whole or an error with file and line.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bitrouter_gateway::registry::{Catalog, Manifest, ProviderId, ProviderOverride, shipped};
use bitrouter_proto::clock;
use secrecy::SecretString;

use crate::{
    config::{AccountDefaults, Config, ConfigLocation, KnownProviders, own_address, own_address_reason},
    environment::{EnvFile, KeyNames, KeyRing, KnownNames, key_names},
    regular_file,
    reload::{AccountNow, Refused, Sources},
};

/// How long a reload waits for env files that are being written.
const UNREST: Duration = Duration::from_millis(250);
/// Bytes of one manifest.
const MANIFEST_LIMIT: u64 = 4 << 20;

/// What was read.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The file they came from, where it exists.
    pub config_path: Option<PathBuf>,
    /// What sign-in falls back on.
    pub account: Arc<AccountDefaults>,
    /// The providers.
    pub catalog: Arc<Catalog>,
    /// Every provider's variables.
    pub key_names: Vec<KeyNames>,
    /// The same as one set.
    pub known: KnownNames,
    /// The env files, weakest first.
    pub env_files: Vec<EnvFile>,
}

/// What is in force, for the status.
#[derive(Debug, Default)]
pub struct InForce {
    /// The keys.
    pub keys: Arc<KeyRing>,
    /// What sign-in falls back on: `[account]`, the defaults.
    pub account: Arc<AccountDefaults>,
    /// The account as its session and its server's list have it.
    pub(crate) signed_in: AccountNow,
    /// The configuration file, where it exists.
    pub config_path: Option<PathBuf>,
    /// The variables that a client should send.
    pub names: Vec<String>,
    /// Variables that live only in this process.
    pub pushed_variables: u32,
}

impl InForce {
    /// The key of the account that some source of keys holds, with the server that it is for (no slash at its end). It
    /// beats the stored credential.
    pub fn account_key(&self) -> Option<(&SecretString, &str)> {
        let key = self.keys.secret(ProviderId::ACCOUNT)?;
        Some((key, self.keys.account_server().unwrap_or(&self.account.oauth_as)))
    }
}

impl Loaded {
    /// Reads everything; changes nothing. `before` are the env files in force; `listens` is where we listen, as far as
    /// something stronger than the settings decides.
    ///
    /// # Errors
    /// The first thing that is wrong, with its file and line.
    pub fn read(sources: &Sources, before: &[EnvFile], listens: Option<&[SocketAddr]>) -> Result<Self, Refused> {
        let refused = |error: &dyn std::fmt::Display| Refused::invalid(error.to_string());
        let mut shipped = shipped().map_err(|error| refused(&error))?;
        let own = own_manifests(&sources.places.registry_dir())?;
        let path = sources.config_file();
        let mut config = {
            let manifests = || shipped.iter().chain(&own);
            let ids = manifests().map(|manifest| manifest.id.as_str()).chain([ProviderId::ACCOUNT]);
            let ids: Vec<&str> = ids.collect();
            let models: Vec<&str> = manifests().flat_map(|m| m.models.iter().map(|model| model.id.as_str())).collect();
            let place = ConfigLocation { path: &path, home: sources.home.as_deref(), own: listens };
            let known = KnownProviders { ids: &ids, models: &models };
            Config::load(&place, sources.config.is_some(), &known).map_err(|error| refused(&error))?
        };
        let account = AccountDefaults::of(&config.account);
        let listens = config.own_addresses(listens);
        // Where we took the usual port of a shipped local server, that server is not there.
        shipped.retain(|manifest| {
            config.providers.contains_key(manifest.id.as_str()) || own_address(&manifest.endpoint, &listens).is_none()
        });
        let catalog =
            Catalog::build(shipped, own, overrides(&config)?, sources.demo).map_err(|error| refused(&error))?;
        calls_nobody_back(&catalog, &listens)?;
        let key_names = key_names(&catalog);
        let env_files = env_files(sources, &config, before)?;
        // A later file wins, and a file over the environment: as with the keys of providers.
        let variable = |name: &str| {
            let in_file = env_files.iter().rev().find_map(|file| file.value(name).cloned());
            in_file.or_else(|| sources.process.secret(name))
        };
        config.find_secrets(variable).map_err(|error| refused(&error))?;
        config.database().map_err(|error| refused(&error))?;
        Ok(Self {
            config_path: path.exists().then_some(path),
            known: KnownNames::of(&key_names),
            account: Arc::new(account),
            catalog: Arc::new(catalog),
            key_names,
            env_files,
            config,
        })
    }
}

/// Refuses a provider that is ourselves: one call would become a hundred, until descriptors run out. Who signed in to this
/// very daemon meant it: such a call is stopped when it comes round.
pub(super) fn calls_nobody_back(catalog: &Catalog, listens: &[SocketAddr]) -> Result<(), Refused> {
    for provider in catalog.providers().filter(|provider| !provider.is_demo() && !provider.is_account()) {
        let manifest = provider.manifest();
        let other = manifest.endpoints.values().map(|endpoint| &endpoint.url);
        if let Some(own) = other.chain([&manifest.endpoint]).find_map(|url| own_address(url, listens)) {
            let (file, id, reason) = (manifest.file.display(), provider.id(), own_address_reason(own));
            return Err(Refused::invalid(format!(
                "the address of provider `{id}` ({file}, or its `base_url`) {reason}"
            )));
        }
    }
    Ok(())
}

/// Every env file with whether it must exist, weakest first: the default one, the configured ones, the flags.
pub(super) fn env_file_paths(sources: &Sources, config: &Config) -> Vec<(PathBuf, bool)> {
    let optional = std::iter::once(sources.places.env_file()).chain(config.env_files.iter().cloned());
    optional.map(|path| (path, false)).chain(sources.env_files.iter().map(|path| (path.clone(), true))).collect()
}

/// The env files, each at rest, or as it was `before` where it is being written all the time.
pub(super) fn env_files(sources: &Sources, config: &Config, before: &[EnvFile]) -> Result<Vec<EnvFile>, Refused> {
    let deadline = clock::monotonic_now() + UNREST;
    let load = |(path, required): (PathBuf, bool)| {
        let before = before.iter().find(|file| file.path() == path);
        EnvFile::load_at_rest(&path, required, before, deadline).map_err(|error| Refused::invalid(error.to_string()))
    };
    env_file_paths(sources, config).into_iter().map(load).collect()
}

/// The user's own manifests, by name so that errors do not depend on the directory's order.
fn own_manifests(dir: &Path) -> Result<Vec<Manifest>, Refused> {
    let unreadable =
        |path: &Path, error: &io::Error| Refused::invalid(format!("cannot read `{}`: {error}", path.display()));
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(dir, &error)),
    };
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|error| unreadable(dir, &error))?;
    // An editor's backup, swap or lock file is no manifest.
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml") && !hidden(path));
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let file = regular_file::open(path).map_err(|error| unreadable(path, &io::Error::from(error)))?;
            file.trusted(path).map_err(|error| Refused::invalid(error.to_string()))?;
            let bytes = file.read(MANIFEST_LIMIT).map_err(|error| unreadable(path, &io::Error::from(error)))?;
            let no_text = || Refused::invalid(format!("`{}` is not UTF-8; save it as UTF-8", path.display()));
            if regular_file::is_utf16(&bytes) {
                return Err(no_text());
            }
            let text = std::str::from_utf8(&bytes).map_err(|_| no_text())?;
            Manifest::parse(text, path).map_err(|error| Refused::invalid(error.to_string()))
        })
        .collect()
}

fn overrides(config: &Config) -> Result<BTreeMap<ProviderId, ProviderOverride>, Refused> {
    config
        .providers
        .iter()
        .map(|(id, settings)| {
            let id = provider_id(id)?;
            let settings = settings.clone();
            Ok((id, ProviderOverride { base_url: settings.base_url, env: settings.env, enabled: settings.enabled }))
        })
        .collect()
}

/// An id that the configuration already found in the registry.
pub(super) fn provider_id(id: &str) -> Result<ProviderId, Refused> {
    ProviderId::parse(id).map_err(|error| Refused::invalid(error.to_string()))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write what users write")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use bitrouter_proto::{env::Environment, paths::Places};

    use super::*;

    #[test]
    fn r1_02_where_we_took_the_port_of_a_shipped_local_server_that_server_is_not_there() {
        let root = tempfile::tempdir().unwrap();
        let process = Environment::from_iter([("HOME", root.path().to_str().unwrap())]);
        let places = Places::of(&process).unwrap();
        let sources = Sources {
            places,
            config: None,
            env_files: Vec::new(),
            demo: false,
            listen_is_fixed: true,
            listens: None,
            format_is_fixed: false,
            level_is_fixed: false,
            process,
            home: None,
        };
        let ollama = ProviderId::parse("ollama").unwrap();
        let read = |port: u16| Loaded::read(&sources, &[], Some(&[SocketAddr::from(([127, 0, 0, 1], port))]));
        assert!(read(4356).unwrap().catalog.get(&ollama).is_some());
        assert!(read(11_434).unwrap().catalog.get(&ollama).is_none());
        // Who speaks of it means it.
        let config = sources.config_file();
        std::fs::create_dir_all(config.parent().unwrap()).unwrap();
        std::fs::write(&config, "[providers.ollama]\nenabled = true\n").unwrap();
        std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).unwrap();
        let error = read(11_434).unwrap_err().to_string();
        assert!(error.contains("`ollama`") && error.contains("leads back to bitrouter itself"), "{error}");
        assert!(read(4356).unwrap().catalog.get(&ollama).is_some());
    }
}
