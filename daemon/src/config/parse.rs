//! From the text of a settings file to [`Config`]: every key that there is, and what may stand in it.

use std::{
    net::SocketAddr,
    path::{Component, Path, PathBuf},
};

use bitrouter_gateway::registry::ProviderId;
use bitrouter_proto::key_variable;
use toml::de::DeTable;

use self::node::{NODE, OAUTH, STRIPE};
use super::{
    Config, ConfigError, Keyless, Level, LogFormat, ProviderSettings,
    account::{client_id, scope},
    addresses,
    document::{self, Document, Section, ValueError, dotted},
    listen::Listen,
    own_address::{self, own_address},
    quantity::{parse_duration, parse_size},
};
use crate::nearest::{nearest, shown};

mod node;

/// Where a settings file stands: what relative paths and `~/` in it mean, and how errors name it.
#[derive(Clone, Copy, Debug)]
pub struct ConfigLocation<'a> {
    /// The file, absolute.
    pub path: &'a Path,
    /// The home directory, where there is one.
    pub home: Option<&'a Path>,
    /// Where the local endpoint listens; `None` where the file itself decides.
    pub own: Option<&'a [SocketAddr]>,
}

/// What the registry describes.
#[derive(Clone, Copy, Debug, Default)]
pub struct KnownProviders<'a> {
    /// The ids.
    pub ids: &'a [&'a str],
    /// Every model that some manifest lists.
    pub models: &'a [&'a str],
}

const TOP: Section = Section {
    name: "",
    keys: &[
        ("env_files", r#"["~/keys.env"]"#),
        ("server", ""),
        ("log", ""),
        ("timeouts", ""),
        ("providers", ""),
        ("routing", ""),
        ("aliases", ""),
        ("account", ""),
        ("node", ""),
    ],
};
const SERVER: Section = Section {
    name: "server",
    keys: &[
        ("listen", r#""127.0.0.1:4356""#),
        ("keyless", r#""same-user""#),
        ("allow_hosts", r#"["box.example"]"#),
        ("allow_origins", r#"["https://app.example"]"#),
        ("max_body", r#""64 MiB""#),
    ],
};
const LOG: Section = Section { name: "log", keys: &[("level", r#""info""#), ("format", r#""auto""#)] };
const TIMEOUTS: Section = Section {
    name: "timeouts",
    keys: &[
        ("connect", r#""10s""#),
        ("first_byte", r#""600s""#),
        ("between_chunks", r#""120s""#),
        ("total", r#""30m""#),
    ],
};
const PROVIDER: Section = Section {
    name: "providers.<id>",
    keys: &[("base_url", r#""https://api.openai.com/v1""#), ("env", r#"["MY_OPENAI_KEY"]"#), ("enabled", "true")],
};
const ROUTING: Section = Section { name: "routing", keys: &[("prefer", r#"["anthropic", "openai"]"#)] };
const ACCOUNT: Section = Section {
    name: "account",
    keys: &[
        ("oauth_as", r#""https://api.bitrouter.ai""#),
        ("client_id", r#""bitrouter-cli""#),
        ("scope", r#""inference:invoke usage:read""#),
    ],
};
const ALL: &[&Section] = &[&TOP, &SERVER, &LOG, &TIMEOUTS, &PROVIDER, &ROUTING, &ACCOUNT, &NODE, &OAUTH, &STRIPE];

impl Config {
    /// Reads `text`, the settings file at `place`. `known` is what the registry describes.
    pub fn parse(text: &str, place: &ConfigLocation<'_>, known: &KnownProviders<'_>) -> Result<Self, ConfigError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut document = Document::new(text);
        let mut config = Self::default();
        if let Some(root) = document.root() {
            let mut reading = Reading { document: &mut document, place, known, own: Vec::new() };
            reading.all(&root, &mut config);
        }
        let problems = document.into_problems();
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Lines { path: place.path.to_owned(), problems }) }
    }
}

struct Reading<'r, 't> {
    document: &'r mut Document<'t>,
    place: &'r ConfigLocation<'r>,
    known: &'r KnownProviders<'r>,
    /// Where the daemon listens.
    own: Vec<SocketAddr>,
}

impl<'t> Reading<'_, 't> {
    fn all(&mut self, root: &DeTable<'t>, config: &mut Config) {
        self.document.only_known(root, "", &TOP, ALL, |_| None);
        let place = self.place;
        let files =
            self.document.read(root, "", &TOP, "env_files", |value| document::list(value, |file| resolve(file, place)));
        set(&mut config.env_files, files);
        if let Some(table) = self.section(root, &SERVER) {
            self.server(table, config);
        }
        if let Some(table) = self.section(root, &NODE) {
            self.node(table, config);
        }
        self.own = config.own_addresses(self.place.own);
        if let Some(table) = self.section(root, &LOG) {
            self.log(table, config);
        }
        if let Some(table) = self.section(root, &TIMEOUTS) {
            self.timeouts(table, config);
        }
        if let Some(table) = self.section(root, &ROUTING) {
            self.routing(table, config);
        }
        if let Some(table) = self.document.table(root, "", "providers") {
            self.providers(table, config);
        }
        if let Some(table) = self.document.table(root, "", "aliases") {
            self.aliases(table, config);
        }
        if let Some(table) = self.section(root, &ACCOUNT) {
            self.account(table, config);
        }
    }

    fn section<'d>(&mut self, root: &'d DeTable<'t>, section: &Section) -> Option<&'d DeTable<'t>> {
        let table = self.document.table(root, "", section.name)?;
        self.document.only_known(table, section.name, section, ALL, |_| None);
        Some(table)
    }

    fn server(&mut self, table: &DeTable<'t>, config: &mut Config) {
        let (server, name) = (&mut config.server, SERVER.name);
        let listen =
            self.document.read(table, name, &SERVER, "listen", |value| Ok(document::text(value)?.parse::<Listen>()?));
        set(&mut server.listen, listen);
        let keyless = self
            .document
            .read(table, name, &SERVER, "keyless", |value| document::word(value, Keyless::WORDS, Keyless::parse));
        set(&mut server.keyless, keyless);
        let hosts = self.document.read(table, name, &SERVER, "allow_hosts", |value| {
            document::list(value, |host| addresses::host(host).map_err(ValueError::new))
        });
        set(&mut server.allow_hosts, hosts);
        let origins = self.document.read(table, name, &SERVER, "allow_origins", |value| {
            document::list(value, |origin| addresses::origin(origin).map_err(ValueError::new))
        });
        set(&mut server.allow_origins, origins);
        let max_body =
            self.document.read(table, name, &SERVER, "max_body", |value| Ok(parse_size(document::text(value)?)?));
        set(&mut server.max_body, max_body);
    }

    fn log(&mut self, table: &DeTable<'t>, config: &mut Config) {
        let level = self
            .document
            .read(table, LOG.name, &LOG, "level", |value| document::word(value, Level::WORDS, Level::parse));
        set(&mut config.log.level, level);
        let format = self
            .document
            .read(table, LOG.name, &LOG, "format", |value| document::word(value, LogFormat::WORDS, LogFormat::parse));
        set(&mut config.log.format, format);
    }

    fn timeouts(&mut self, table: &DeTable<'t>, config: &mut Config) {
        let limits = &mut config.timeouts;
        for (key, target) in [
            ("connect", &mut limits.connect),
            ("first_byte", &mut limits.first_byte),
            ("between_chunks", &mut limits.between_chunks),
            ("total", &mut limits.total),
        ] {
            let limit = self
                .document
                .read(table, TIMEOUTS.name, &TIMEOUTS, key, |value| Ok(parse_duration(document::text(value)?)?));
            set(target, limit);
        }
    }

    fn routing(&mut self, table: &DeTable<'t>, config: &mut Config) {
        let (known, place) = (self.known.ids, self.place);
        let prefer = self.document.read(table, ROUTING.name, &ROUTING, "prefer", |value| {
            document::list(value, |id| {
                if known.contains(&id) {
                    Ok(id.to_owned())
                } else {
                    Err(ValueError::new(unknown_provider(id, known, place)))
                }
            })
        });
        set(&mut config.routing.prefer, prefer);
    }

    /// Empty is absent, as in the variables of the same meaning.
    fn account(&mut self, table: &DeTable<'t>, config: &mut Config) {
        type Check = fn(&str) -> Result<String, &'static str>;
        let account = &mut config.account;
        for (key, target, check) in [
            ("oauth_as", &mut account.oauth_as, addresses::server_url as Check),
            ("client_id", &mut account.client_id, client_id),
            ("scope", &mut account.scope, scope),
        ] {
            let read = self.document.read(table, ACCOUNT.name, &ACCOUNT, key, |value| match document::text(value)? {
                "" => Ok(None),
                text => check(text).map(Some).map_err(ValueError::new),
            });
            set(target, read);
        }
    }

    fn providers(&mut self, table: &DeTable<'t>, config: &mut Config) {
        for key in table.keys() {
            let id = key.get_ref().as_ref();
            if id == ProviderId::ACCOUNT {
                let message = "`providers.bitrouter` is the account's provider, which has no section of its own: \
                               `[account]` says which server, and `BITROUTER_API_KEY` or `bitrouter auth login` its credential";
                self.document.problem(&key.span(), message.to_owned());
                continue;
            }
            if !self.known.ids.contains(&id) {
                let reason = unknown_provider(id, self.known.ids, self.place);
                self.document.problem(&key.span(), format!("`{}` {reason}", dotted("providers", id)));
                continue;
            }
            let prefix = dotted("providers", id);
            if let Some(provider) = self.document.table(table, "providers", id) {
                let settings = self.provider(provider, id, &prefix);
                config.providers.insert(id.to_owned(), settings);
            }
        }
    }

    fn provider(&mut self, table: &DeTable<'t>, id: &str, prefix: &str) -> ProviderSettings {
        self.document.only_known(table, prefix, &PROVIDER, ALL, |key| {
            ["api_key", "apikey", "key", "token", "secret"].contains(&key.to_ascii_lowercase().as_str()).then(|| {
                format!("keys do not stand in this file: set `{}`, or write it in an env file", key_variable::own(id))
            })
        });
        let own = &self.own;
        let base_url = self.document.read(table, prefix, &PROVIDER, "base_url", |value| {
            let url = addresses::base_url(document::text(value)?).map_err(ValueError::new)?;
            match own_address(&url, own) {
                Some(own) => Err(ValueError::new(own_address::reason(own))),
                None => Ok(url),
            }
        });
        let env = self.document.read(table, prefix, &PROVIDER, "env", |value| {
            document::list(value, |name| key_variable::check(name).map(|()| name.to_owned()).map_err(ValueError::new))
        });
        let enabled = self.document.read(table, prefix, &PROVIDER, "enabled", document::truth);
        ProviderSettings { base_url, env, enabled }
    }

    fn aliases(&mut self, table: &DeTable<'t>, config: &mut Config) {
        const ALIAS: Section = Section { name: "aliases", keys: &[] };
        let (known, place) = (self.known, self.place);
        for (key, value) in table {
            let alias = key.get_ref().as_ref();
            if alias.is_empty() || alias.chars().any(|c| c.is_control() || c.is_whitespace()) {
                let name = dotted(ALIAS.name, alias);
                let message =
                    format!("`{name}` must be a name without spaces; for example `fast = \"groq:llama-3.3-70b\"`");
                self.document.problem(&key.span(), message);
                continue;
            }
            let read = document::text(value).and_then(|model| match model {
                "" => Err(ValueError::new("must name a model")),
                model if model == alias => Err(ValueError::new("must not stand for itself")),
                model if model.chars().any(char::is_control) => Err(ValueError::new("must name a model on one line")),
                model => match model.split_once(':') {
                    // What no provider's id stands before may still be an alias, or a model with a `:` in its name.
                    Some((id, _))
                        if !id.contains('/')
                            && !known.ids.contains(&id)
                            && !known.models.contains(&model)
                            && !table.contains_key(model) =>
                    {
                        Err(ValueError::new(unknown_provider(id, known.ids, place)))
                    }
                    _ => Ok(model.to_owned()),
                },
            });
            match read {
                Ok(model) => {
                    config.aliases.insert(alias.to_owned(), model);
                }
                Err(error) => {
                    let (name, reason) = (dotted(ALIAS.name, alias), error.into_reason());
                    let message = format!("`{name}` {reason}; for example `{} = \"groq:llama-3.3-70b\"`", shown(alias));
                    self.document.problem(&value.span(), message);
                }
            }
        }
    }
}

fn set<T>(target: &mut T, read: Option<T>) {
    if let Some(value) = read {
        *target = value;
    }
}

/// Why `id` cannot stand where a provider is named.
fn unknown_provider(id: &str, known: &[&str], place: &ConfigLocation<'_>) -> String {
    let near = nearest(id, known.iter().copied());
    let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    let manifest = place.path.parent().unwrap_or(Path::new("")).join("registry");
    // What cannot be an id may be anything, a key too, and is not repeated.
    let looks_like_one = (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let quoted = if looks_like_one { format!(" (`{id}`)") } else { String::new() };
    format!(
        "names a provider that no manifest describes{quoted}; {near}a provider of your own gets its manifest in `{}`",
        manifest.display()
    )
}

fn resolve(file: &str, place: &ConfigLocation<'_>) -> Result<PathBuf, ValueError> {
    if file.is_empty() || file.contains('\0') {
        return Err(ValueError::new("must hold paths"));
    }
    let directory = place.path.parent().unwrap_or(Path::new(""));
    let path = match (file.strip_prefix("~/"), place.home) {
        (Some(below), Some(home)) => home.join(below.trim_start_matches('/')),
        (Some(_), None) => return Err(ValueError::new("holds a path below `~/`, and `HOME` is not set")),
        (None, _) => directory.join(file),
    };
    // `./x` and `x` are one file, whatever `..` may turn out to be.
    Ok(path.components().filter(|part| *part != Component::CurDir).collect())
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
