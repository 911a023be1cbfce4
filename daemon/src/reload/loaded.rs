//! What one reading of everything gave: a value that is either whole or an error with file and line.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bitrouter_gateway::registry::{Catalog, Manifest, ProviderId, ProviderOverride, shipped};
use bitrouter_proto::clock;

use crate::{
    config::{Config, ConfigLocation},
    environment::{EnvFile, KeyNames, KeyRing, KnownNames, key_names},
    regular_file,
    reload::{Refused, Sources},
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
    /// The configuration file, where it exists.
    pub config_path: Option<PathBuf>,
    /// The variables that a client should send.
    pub names: Vec<String>,
    /// Variables that live only in this process.
    pub pushed_variables: u32,
}

impl Loaded {
    /// Reads everything; changes nothing. `before` are the env files in force.
    ///
    /// # Errors
    /// The first thing that is wrong, with its file and line.
    pub fn read(sources: &Sources, before: &[EnvFile]) -> Result<Self, Refused> {
        let refused = |error: &dyn std::fmt::Display| Refused::invalid(error.to_string());
        let shipped = shipped().map_err(|error| refused(&error))?;
        let own = own_manifests(&sources.places.registry_dir())?;
        let ids: Vec<&str> = shipped.iter().chain(&own).map(|manifest| manifest.id.as_str()).collect();
        let path = sources.config_file();
        let place = ConfigLocation { path: &path, home: sources.home.as_deref() };
        let config = Config::load(&place, sources.config.is_some(), &ids).map_err(|error| refused(&error))?;
        let catalog =
            Catalog::build(shipped, own, overrides(&config)?, sources.demo).map_err(|error| refused(&error))?;
        let key_names = key_names(&catalog);
        let env_files = env_files(sources, &config, before)?;
        Ok(Self {
            config_path: path.exists().then_some(path),
            known: KnownNames::of(&key_names),
            catalog: Arc::new(catalog),
            key_names,
            env_files,
            config,
        })
    }
}

/// Every env file with whether it must exist, weakest first: the default one, the configured ones, the flags.
pub(super) fn env_file_paths(sources: &Sources, config: &Config) -> Vec<(PathBuf, bool)> {
    let optional = std::iter::once(sources.places.env_file()).chain(config.env_files.iter().cloned());
    optional.map(|path| (path, false)).chain(sources.env_files.iter().map(|path| (path.clone(), true))).collect()
}

/// The env files, each at rest, or as it was `before` where it is being written all the time.
pub(super) fn env_files(sources: &Sources, config: &Config, before: &[EnvFile]) -> Result<Vec<EnvFile>, Refused> {
    let deadline = clock::mono() + UNREST;
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
            let bytes = regular_file::open(path)
                .and_then(|file| file.read(MANIFEST_LIMIT))
                .map_err(|error| unreadable(path, &io::Error::from(error)))?;
            let text = std::str::from_utf8(&bytes)
                .map_err(|_| Refused::invalid(format!("`{}` is not UTF-8; save it as UTF-8", path.display())))?;
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
