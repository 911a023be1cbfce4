//! The environment as a value, and the one registry of every variable that bitrouter reads.
//!
//! The process environment is captured once, at the start of `main`; everything else is a pure function of the
//! captured value, so that tests need not touch the process. Empty means unset.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use secrecy::SecretString;

/// Who reads a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The thin client.
    Client,
    /// The daemon.
    Daemon,
    /// Both.
    Both,
}

/// One documented variable.
#[derive(Clone, Copy, Debug)]
pub struct EnvVar {
    /// Its name, upper case. (Proxy variables are also read in lower case.)
    pub name: &'static str,
    /// Who reads it.
    pub reader: Reader,
    /// What it does, as the reference page says it.
    pub doc: &'static str,
}

macro_rules! registry {
    ($($ident:ident, $reader:ident, $doc:literal;)*) => {
        $(#[doc = $doc] pub const $ident: &str = stringify!($ident);)*
        /// Every variable that bitrouter reads, in alphabetical order. `docs/environment.md` is generated from it.
        pub const ALL: &[EnvVar] = &[
            $(EnvVar { name: stringify!($ident), reader: Reader::$reader, doc: $doc },)*
        ];
    };
}

registry! {
    BITROUTER_API_KEY, Both, "Key of an account (`brk_…`): calls of `bitrouter:<model>` and `cloud` commands are made with it, and no session is needed; beats the stored credential.";
    BITROUTER_API_URL, Both, "Server that `BITROUTER_API_KEY`, or a key that `auth login --api-key-stdin` stores, is for; without it the authorization server. The short verbs (`login`, `keys`, `balance`, `env`, …) ask this server in the place of the signed-in account's.";
    BITROUTER_JSON, Client, "Set to anything but `0` or `false`: as if `--json` were given.";
    BITROUTER_LOG, Daemon, "Log level (`trace`, `debug`, `info`, `warn`, `error`); beats `[log] level`.";
    BITROUTER_NO_AUTOSTART, Client, "Set to anything but `0` or `false`: as if `--no-autostart` were given.";
    BITROUTER_OAUTH_AS, Client, "Authorization server to sign in to; `--oauth-as` beats it, it beats `[account] oauth_as`.";
    BITROUTER_OAUTH_CLIENT_ID, Client, "OAuth client to sign in as; `--client-id` beats it, it beats `[account] client_id`.";
    BITROUTER_OAUTH_SCOPE, Client, "Scopes to ask for at sign-in; `--scope` beats it, it beats `[account] scope`.";
    BITROUTER_SOCKET, Client, "Path of the control socket to talk to; `--socket` beats it.";
    BROWSER, Client, "What `console` and `auth login` open links with, entries separated by `:`, `%s` for the address; without it `xdg-open` (`open` on macOS).";
    DISPLAY, Client, "Without this or `WAYLAND_DISPLAY` no browser is opened (but on macOS).";
    HOME, Both, "The home directory; the XDG directories default to places below it.";
    HTTPS_PROXY, Daemon, "Proxy for calls to providers over https (`http://[user:password@]host:port`); `https_proxy` comes first.";
    INVOCATION_ID, Daemon, "Set by systemd for a service; one before release 248 says no more.";
    LISTEN_FDNAMES, Daemon, "Names of the passed sockets, set by systemd.";
    LISTEN_FDS, Daemon, "Number of passed sockets, set by systemd.";
    LISTEN_PID, Daemon, "The process the passed sockets are for, set by systemd.";
    LOGNAME, Daemon, "What the node's owner is called at its first start, where neither the list of users nor `USER` says.";
    NOTIFY_SOCKET, Daemon, "Where readiness, reloads and the watchdog are reported, set by systemd.";
    NO_COLOR, Client, "Set to anything: no colour.";
    NO_PROXY, Daemon, "What is reached without the proxy, separated by commas or blanks: `*`, `name` and all below it, `*.name`, an address, `10.0.0.0/8`, each with `:port`; `no_proxy` comes first.";
    PATH, Daemon, "Only to tell whether `bitrouter` can be typed as it is.";
    SSH_CONNECTION, Client, "Set by a shell over ssh: no browser is opened.";
    SSL_CERT_DIR, Daemon, "Directory of trusted certificates, instead of the system's.";
    SSL_CERT_FILE, Daemon, "File of trusted certificates (PEM), instead of the system's; read again at a reload and at SIGHUP.";
    SYSTEMD_EXEC_PID, Daemon, "The process that systemd executed for a unit: where it is the daemon's, `restart` stands back.";
    TERM, Client, "`dumb`, or not set: no colour.";
    TOKENROUTE_API_KEY, Client, "Under the name `tokenroute`: the key that `env`, `test` and `models` go with.";
    TOKENROUTE_API_URL, Client, "Under the name `tokenroute`: the server; without it `https://api.tokenroute.io`.";
    TOKENROUTE_JSON, Client, "Under the name `tokenroute`: set to anything but `0` or `false`, as if `--json` were given.";
    TZ, Client, "Time zone in which times are shown on a terminal; without it the machine's.";
    USER, Daemon, "What the node's owner is called at its first start, where the list of users does not say.";
    WATCHDOG_PID, Daemon, "The process the watchdog limit is for, set by systemd.";
    WATCHDOG_USEC, Daemon, "The watchdog limit in microseconds, set by systemd.";
    WAYLAND_DISPLAY, Client, "As `DISPLAY`.";
    XDG_CONFIG_HOME, Both, "Where `bitrouter/config.toml`, `bitrouter/env` and `bitrouter/registry/` live; default `~/.config`.";
    XDG_DATA_HOME, Both, "Where `bitrouter/` keeps data; default `~/.local/share`.";
    XDG_RUNTIME_DIR, Both, "Where `bitrouter/control.sock` lives; without it below the state directory.";
    XDG_STATE_HOME, Both, "Where `bitrouter/` keeps the lock, `daemon.json` and the log; default `~/.local/state`.";
}

/// True where `name` can be a variable's name in every shell: `[A-Za-z_][A-Za-z0-9_]*`, at most 256 bytes.
pub fn is_variable_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    name.len() <= 256 && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() && name.bytes().all(plain)
}

/// A captured environment. Values can be secrets: it has no `Debug` that prints them.
#[derive(Clone, Default)]
pub struct Environment {
    vars: BTreeMap<OsString, OsString>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.vars.keys()).finish()
    }
}

impl Environment {
    /// Captures the environment of this process. Call it once, in `main`.
    #[expect(clippy::disallowed_methods, reason = "this is the one door")]
    pub fn of_process() -> Self {
        Self { vars: std::env::vars_os().collect() }
    }

    /// The text of `name`; `None` where unset, empty, or not UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.vars.get(std::ffi::OsStr::new(name))?.to_str().filter(|value| !value.is_empty())
    }

    /// True where `name` is set to something that is not UTF-8.
    pub fn is_no_text(&self, name: &str) -> bool {
        self.vars.get(std::ffi::OsStr::new(name)).is_some_and(|value| value.to_str().is_none())
    }

    /// The value of `name` as a secret, where it may be a provider key.
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    /// The value of `name` as a path; `None` where unset or empty.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.vars.get(std::ffi::OsStr::new(name)).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The text of `name` in upper or lower case (proxy variables), lower case first as other programs do.
    pub fn either_case(&self, name: &str) -> Option<&str> {
        self.text(&name.to_ascii_lowercase()).or_else(|| self.text(name))
    }

    /// The names of all variables that are set and not empty and have UTF-8 names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.vars.iter().filter(|(_, value)| !value.is_empty()).filter_map(|(name, _)| name.to_str())
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(iter: I) -> Self {
        Self { vars: iter.into_iter().map(|(k, v)| (k.into(), v.into())).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_means_unset() {
        let env = Environment::from_iter([("A", ""), ("B", "x")]);
        assert_eq!((env.text("A"), env.text("B"), env.path("A")), (None, Some("x"), None));
        assert_eq!(env.names().collect::<Vec<_>>(), ["B"]);
    }

    #[test]
    fn a_variable_name_needs_no_quotes_in_any_shell() {
        for good in ["A", "_", "a1_B", "OPENAI_API_KEY"] {
            assert!(is_variable_name(good), "{good}");
        }
        let long = "A".repeat(257);
        for bad in ["", "1A", "A B", "A;id", "$(id)", "A\n", "É", "A-B", "A=B", long.as_str()] {
            assert!(!is_variable_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn debug_never_prints_a_value() {
        let env = Environment::from_iter([("OPENAI_API_KEY", "sk-secret")]);
        let text = format!("{env:?}");
        assert!(text.contains("OPENAI_API_KEY") && !text.contains("sk-secret"));
    }

    #[test]
    fn the_registry_is_sorted_and_documented() {
        assert!(ALL.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(ALL.iter().all(|var| var.doc.ends_with('.')));
    }
}
