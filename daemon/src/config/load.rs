//! Reading the settings file from disk: bounded, and only from a regular file.

use std::io;

use bitrouter_node::PostgresUrl;
use secrecy::SecretString;

use super::{Config, ConfigError, ConfigLocation, KnownProviders, Secret};
use crate::regular_file::{self, OpenError};

/// Larger files are no settings.
const LIMIT: u64 = 1 << 20;

impl Config {
    /// Reads the settings file at `place`. One that is not there is all defaults, unless it is `required` because the
    /// user named it.
    pub fn load(place: &ConfigLocation<'_>, required: bool, known: &KnownProviders<'_>) -> Result<Self, ConfigError> {
        let unreadable = |reason: String| ConfigError::Unreadable { path: place.path.to_owned(), reason };
        let file = match regular_file::open(place.path) {
            Ok(file) => file,
            Err(OpenError::Missing) if required => return Err(ConfigError::Missing(place.path.to_owned())),
            Err(OpenError::Missing) => return Ok(Self::default()),
            Err(error) => return Err(unreadable(io::Error::from(error).to_string())),
        };
        file.trusted(place.path)?;
        let exposed = file.private(place.path);
        let bytes = file.read(LIMIT).map_err(|error| unreadable(io::Error::from(error).to_string()))?;
        if regular_file::is_utf16(&bytes) {
            return Err(unreadable("it is UTF-16; save the file as UTF-8".to_owned()));
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => {
                let config = Self::parse(text, place, known)?;
                if config.holds_secret() {
                    exposed?;
                }
                Ok(config)
            }
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = good.split(|byte| *byte == b'\n').count();
                Err(unreadable(format!("line {line} is not UTF-8; save the file as UTF-8")))
            }
        }
    }

    /// True where a secret is written out in it.
    fn holds_secret(&self) -> bool {
        self.secrets().into_iter().any(|(_, secret)| secret.is_written_out())
    }

    /// Looks for every secret that stands elsewhere; `variable` is the environment.
    ///
    /// # Errors
    /// The first one that is not there, with the name of its setting.
    pub fn find_secrets(&mut self, variable: impl Fn(&str) -> Option<SecretString>) -> Result<(), ConfigError> {
        for (setting, secret) in self.secrets_mut() {
            secret.find(&variable).map_err(|error| ConfigError::Secret { setting, error })?;
        }
        Ok(())
    }

    /// Where the node's PostgreSQL database is; `None` where it is a file.
    ///
    /// # Errors
    /// Where what was found is no such place.
    pub fn database(&self) -> Result<Option<PostgresUrl>, ConfigError> {
        let url = self.node.database_url.as_ref().and_then(Secret::value);
        url.cloned().map(PostgresUrl::parse).transpose().map_err(ConfigError::DatabaseUrl)
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let mut secrets = Vec::new();
        secrets.extend(self.node.database_url.as_ref().map(|url| (DATABASE_URL, url)));
        if let Some(stripe) = &self.node.stripe {
            secrets.extend([(STRIPE_KEY, &stripe.secret_key), (STRIPE_WEBHOOK, &stripe.webhook_secret)]);
        }
        secrets
    }

    fn secrets_mut(&mut self) -> Vec<(&'static str, &mut Secret)> {
        let mut secrets = Vec::new();
        secrets.extend(self.node.database_url.as_mut().map(|url| (DATABASE_URL, url)));
        if let Some(stripe) = &mut self.node.stripe {
            secrets.extend([(STRIPE_KEY, &mut stripe.secret_key), (STRIPE_WEBHOOK, &mut stripe.webhook_secret)]);
        }
        secrets
    }
}

const DATABASE_URL: &str = "node.database_url";
const STRIPE_KEY: &str = "node.stripe.secret_key";
const STRIPE_WEBHOOK: &str = "node.stripe.webhook_secret";

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write what users write")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn absent_is_the_default_unless_named() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("no/config.toml");
        let place = ConfigLocation { path: &path, home: None, own: None };
        assert_eq!(Config::load(&place, false, &KnownProviders::default()).unwrap(), Config::default());
        let error = Config::load(&place, true, &KnownProviders::default()).unwrap_err();
        assert!(matches!(error, ConfigError::Missing(_)) && error.to_string().contains("config.toml"));
    }

    #[test]
    fn a_file_is_read_and_what_is_no_text_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("config.toml");
        let place = ConfigLocation { path: &path, home: None, own: None };
        std::fs::write(&path, "[log]\nlevel = \"debug\"\n").unwrap();
        // Whatever the umask of whoever runs the tests.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(
            Config::load(&place, true, &KnownProviders::default()).unwrap().log.level,
            super::super::Level::Debug
        );
        std::fs::write(&path, b"[log]\nlevel = \"\xff\"\n").unwrap();
        let error = Config::load(&place, true, &KnownProviders::default()).unwrap_err().to_string();
        assert!(error.contains("line 2 is not UTF-8"), "{error}");
        std::fs::write(&path, b"\xff\xfe[\0l\0").unwrap();
        let error = Config::load(&place, true, &KnownProviders::default()).unwrap_err().to_string();
        assert!(error.contains("it is UTF-16; save the file as UTF-8"), "{error}");
        let place = ConfigLocation { path: root.path(), home: None, own: None };
        let error = Config::load(&place, false, &KnownProviders::default()).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }
}
