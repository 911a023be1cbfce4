//! `[node] database_url`: where a PostgreSQL database is. It may hold a password, and is shown without one.

use std::{fmt, str::FromStr as _};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnectOptions;

/// What may stand behind the `?` of the URL. Another one would be ignored, and perhaps was meant to protect something.
const PARAMETERS: [&str; 13] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "statement-cache-capacity",
];

/// Why a URL is none. It never quotes what may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostgresUrlError {
    /// It begins like no URL of PostgreSQL.
    #[error("must begin with `postgres://` or `postgresql://` (empty: the file `node.db`)")]
    Scheme,
    /// It is no URL, or a parameter has a value that it cannot have.
    #[error("is no URL of a PostgreSQL database, as `postgres://USER:PASSWORD@HOST:5432/NAME?sslmode=verify-full`")]
    Malformed,
    /// A parameter is not known.
    #[error("has the unknown parameter `{0}`")]
    Parameter(String),
}

/// Where a PostgreSQL database is, and with which name and password it is opened.
#[derive(Clone)]
pub struct PostgresUrl {
    url: SecretString,
    shown: String,
}

impl PostgresUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(url: SecretString) -> Result<Self, PostgresUrlError> {
        let text = url.expose_secret();
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(PostgresUrlError::Scheme);
        }
        let query = text.split_once('?').map_or("", |(_, query)| query);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split('=').next().unwrap_or_default();
            let is_option = name.starts_with("options[") || name.starts_with("options%5B");
            if !is_option && !PARAMETERS.contains(&name) {
                // A value that holds `&` would be quoted in part.
                let name: String =
                    name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(32).collect();
                return Err(PostgresUrlError::Parameter(name));
            }
        }
        let options = PgConnectOptions::from_str(text).map_err(|_| PostgresUrlError::Malformed)?;
        let shown = shown(&options);
        Ok(Self { url, shown })
    }

    /// The URL without its password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// What a connection is opened with.
    pub(super) fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        // Poolers refuse parameters that they do not know.
        Ok(PgConnectOptions::from_str(self.url.expose_secret())?.extra_float_digits(None))
    }
}

fn shown(options: &PgConnectOptions) -> String {
    let (user, database) = (options.get_username(), options.get_database().unwrap_or(options.get_username()));
    match options.get_socket() {
        Some(socket) => {
            format!("postgres:///{database}?host={}&port={}&user={user}", socket.display(), options.get_port())
        }
        None => format!("postgres://{user}@{}:{}/{database}", options.get_host(), options.get_port()),
    }
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        self.url.expose_secret() == other.url.expose_secret()
    }
}

impl Eq for PostgresUrl {}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresUrl").field(&self.shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PostgresUrl, PostgresUrlError> {
        PostgresUrl::parse(text.to_owned().into())
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (text, shown) in [
            ("postgres://ada:geheim@db.example/node", "postgres://ada@db.example:5432/node"),
            ("postgresql://ada:geheim@db.example:6000/node?sslmode=require", "postgres://ada@db.example:6000/node"),
            (
                "postgres:///node?host=/run/pg&user=ada&password=geheim",
                "postgres:///node?host=/run/pg&port=5432&user=ada",
            ),
        ] {
            let url = parse(text).unwrap();
            assert_eq!(url.shown(), shown);
            assert!(!format!("{url:?}").contains("geheim"));
            assert_eq!(url, parse(text).unwrap());
        }
    }

    #[test]
    fn what_is_no_url_is_refused_and_not_quoted() {
        for (text, error) in [
            ("mysql://ada:geheim@x/y", PostgresUrlError::Scheme),
            ("/var/lib/node.db", PostgresUrlError::Scheme),
            ("postgres://ada:geheim@x:port/y", PostgresUrlError::Malformed),
            ("postgres://ada:geheim@x/y?sslmode=geheim", PostgresUrlError::Malformed),
            ("postgres://ada:geheim@x/y?sslmod=require", PostgresUrlError::Parameter("sslmod".to_owned())),
        ] {
            let found = parse(text).unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(!found.to_string().contains("geheim"));
        }
    }
}
