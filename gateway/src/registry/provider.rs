//! One provider, ready for use: its names, its models, and where requests go.

use std::{collections::HashMap, sync::Arc};

use bitrouter_proto::key_variable;

use super::{
    BaseAddress, Kind, Manifest, Model, OutputCap, ProviderId, ProviderOverride, RegistryError, Target,
    account::account_manifest, target::refused,
};
use crate::{
    meter::{ModelPrice, PriceSchedule},
    protocol::Dialect,
    upstream::UpstreamOrigin,
};

/// A provider of a [`super::Catalog`].
#[derive(Clone, Debug)]
pub struct Provider {
    manifest: Manifest,
    variables: Vec<String>,
    enabled: bool,
    configured: bool,
    origin: Arc<UpstreamOrigin>,
    /// The account's server, where this is its provider.
    account: Option<Arc<str>>,
    /// One for each dialect that it speaks, in their order.
    targets: Vec<(Dialect, Target)>,
    by_name: HashMap<String, usize>,
    /// What models cost that it does not list: nothing where it is a server on this machine, else nobody knows.
    unlisted: PriceSchedule,
}

impl Provider {
    pub(super) fn new(
        mut manifest: Manifest,
        users_own: bool,
        over: Option<&ProviderOverride>,
    ) -> Result<Self, RegistryError> {
        let mut variables = vec![manifest.id.variable()];
        if let Some(env) = over.and_then(|over| over.env.as_ref()) {
            let place = || format!("[providers.{}] env", manifest.id);
            env.iter().try_for_each(|name| key_variable::check(name)).map_err(|reason| refused(&place(), reason))?;
            manifest.auth.env.clone_from(env);
        }
        for name in &manifest.auth.env {
            if !variables.contains(name) {
                variables.push(name.clone());
            }
        }
        let base_url = over.and_then(|over| over.base_url.as_ref());
        let place = match base_url {
            Some(url) => {
                manifest.endpoint.clone_from(url);
                for endpoint in manifest.endpoints.values_mut() {
                    endpoint.url.clone_from(url);
                }
                format!("[providers.{}] base_url", manifest.id)
            }
            None => format!("{}: endpoint", manifest.file.display()),
        };
        let main = BaseAddress::parse(&manifest.endpoint).map_err(|reason| refused(&place, reason))?;
        let origin = Arc::new(UpstreamOrigin::new(main.tls, &main.host, main.port));
        let mut targets = Vec::new();
        for dialect in Dialect::ALL {
            let target = Target::of(&manifest, dialect, &origin, users_own || base_url.is_some())?;
            targets.extend(target.map(|target| (dialect, target)));
        }
        let is_free_by_default = manifest.kind == Kind::Local;
        for model in &mut manifest.models {
            model.prices = match &model.pricing {
                Some(pricing) => PriceSchedule::of(pricing),
                None if is_free_by_default => PriceSchedule::free(),
                None => PriceSchedule::default(),
            };
        }
        let unlisted = if is_free_by_default { PriceSchedule::free() } else { PriceSchedule::default() };
        let by_name = manifest.models.iter().enumerate().map(|(index, model)| (model.id.clone(), index)).collect();
        Ok(Self {
            by_name,
            unlisted,
            variables,
            enabled: over.and_then(|over| over.enabled).unwrap_or(true),
            configured: users_own || over.is_some(),
            origin,
            account: None,
            targets,
            manifest,
        })
    }

    /// The account's own provider, at `server`, with the `models` that it is known to list.
    pub(super) fn of_account(server: &str, models: Vec<Model>) -> Result<Self, RegistryError> {
        // Whose server it is decides the user who signs in, as with an address of their own: it may be this machine.
        let provider = Self::new(account_manifest(server, models)?, true, None)?;
        Ok(Self { account: Some(server.into()), ..provider })
    }

    /// Its id.
    pub fn id(&self) -> &ProviderId {
        &self.manifest.id
    }

    /// Its name for people.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// What sort it is.
    pub fn kind(&self) -> Kind {
        self.manifest.kind
    }

    /// The manifest behind it, with the override's values.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What it speaks.
    pub fn dialects(&self) -> impl Iterator<Item = Dialect> {
        self.targets.iter().map(|(dialect, _)| *dialect)
    }

    /// True where it speaks one of `dialects`.
    pub fn speaks(&self, dialects: &[Dialect]) -> bool {
        self.targets.iter().any(|(dialect, _)| dialects.contains(dialect))
    }

    /// The variables that supply its key, best first: `BITROUTER_<ID>_API_KEY`, then the passthrough names.
    pub fn key_variables(&self) -> &[String] {
        &self.variables
    }

    /// True where whoever calls may bring a key of their own: its manifest names that mode of payment.
    pub fn takes_byok(&self) -> bool {
        self.manifest.payment_modes.iter().any(|mode| mode == "byok")
    }

    /// False for the demo and for servers on this machine (a key is sent to those where one is found).
    pub fn needs_key(&self) -> bool {
        self.manifest.kind != Kind::Local && !self.is_demo()
    }

    /// False where the configuration switched it off.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// True where the user wrote a `[providers.x]` section or a manifest of their own.
    pub fn configured(&self) -> bool {
        self.configured
    }

    /// True for the built-in provider of demo mode.
    pub fn is_demo(&self) -> bool {
        self.manifest.id.as_str() == ProviderId::DEMO
    }

    /// True for the account's own provider.
    pub fn is_account(&self) -> bool {
        self.account.is_some()
    }

    /// The server of the account, without a slash at its end; `None` for every other provider.
    pub fn account_server(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The models it lists.
    pub fn models(&self) -> &[Model] {
        &self.manifest.models
    }

    /// The listed model with this name.
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.by_name.get(id).map(|index| &self.manifest.models[*index])
    }

    /// The listed model that the provider itself knows by this name, where that is not the one it is listed by.
    pub fn model_called(&self, upstream_id: &str) -> Option<&Model> {
        self.manifest.models.iter().find(|model| model.upstream_id() == upstream_id)
    }

    /// What the tokens of `model` cost now; `None` where nobody says. A server on this machine is free where its manifest
    /// does not say otherwise.
    pub fn price<'a>(&'a self, model: Option<&'a Model>) -> Option<&'a Arc<ModelPrice>> {
        model.map_or(&self.unlisted, |model| &model.prices).now()
    }

    /// True for a server on this machine whose manifest states no price at all: nothing that it does costs anything.
    pub fn is_unpriced(&self) -> bool {
        let Manifest { kind, models, tools, .. } = &self.manifest;
        *kind == Kind::Local && tools.is_empty() && models.iter().all(|model| model.pricing.is_none())
    }

    /// The member that caps the output of a chat request for `model`.
    pub fn output_cap(&self, model: Option<&Model>) -> OutputCap {
        model.and_then(|model| model.output_cap).unwrap_or(self.manifest.output_cap)
    }

    /// True where it may write to its cache what no caller asked it to keep. Anthropic alone is known never to
    /// (<https://platform.claude.com/docs/en/build-with-claude/prompt-caching>: only up to a `cache_control`).
    pub(crate) fn caches_unasked(&self) -> bool {
        self.manifest.kind != Kind::FirstParty || !self.manifest.protocols.contains(&Dialect::Messages)
    }

    /// The server of its main endpoint.
    pub fn origin(&self) -> &UpstreamOrigin {
        &self.origin
    }

    /// Where calls in `dialect` go; `None` where it does not speak it.
    pub fn target(&self, dialect: Dialect) -> Option<&Target> {
        self.targets.iter().find(|(spoken, _)| *spoken == dialect).map(|(_, target)| target)
    }

    /// All places where calls to it go.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().map(|(_, target)| target)
    }
}
