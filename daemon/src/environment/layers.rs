//! The sources side by side: for one name, everything that could supply its value, strongest first, and what keeps a
//! value from counting.

use std::{collections::BTreeSet, fmt, path::PathBuf};

use bitrouter_proto::env::Environment;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    env_file::EnvFile,
    names::KnownNames,
    parent::Parent,
    pushed::Pushed,
    rejection::{KeyRejection, reject_reason},
};

/// The sources as they are now.
#[derive(Clone, Copy, Debug)]
pub struct Layers<'a> {
    /// What terminal sessions pushed.
    pub pushed: &'a Pushed,
    /// The env files; a later one wins.
    pub env_files: &'a [EnvFile],
    /// The environment of this process.
    pub process: &'a Environment,
    /// The recorded parent, where there is one.
    pub parent: Option<&'a Parent>,
}

/// A kind of source, as `status` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeySourceKind {
    /// Pushed over the control socket.
    Pushed,
    /// Read from an env file.
    EnvFile,
    /// The daemon's own environment, or its parent's.
    Environment,
}

impl KeySourceKind {
    /// As it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pushed => "pushed",
            Self::EnvFile => "env_file",
            Self::Environment => "environment",
        }
    }
}

/// The very place that a value comes from. `Display` fits after "from".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// A terminal session.
    Session(u32),
    /// An env file.
    File(PathBuf),
    /// The environment that the daemon was started with.
    Own,
    /// The environment of its recorded parent.
    Parent(u32),
}

impl KeyOrigin {
    /// The kind of source.
    pub fn kind(&self) -> KeySourceKind {
        match self {
            Self::Session(_) => KeySourceKind::Pushed,
            Self::File(_) => KeySourceKind::EnvFile,
            Self::Own | Self::Parent(_) => KeySourceKind::Environment,
        }
    }
}

impl fmt::Display for KeyOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(0) => f.write_str("an unknown terminal"),
            Self::Session(sid) => write!(f, "terminal {sid}"),
            Self::File(path) => write!(f, "env file `{}`", path.display()),
            Self::Own => f.write_str("the daemon's own environment"),
            Self::Parent(pid) => write!(f, "its parent's environment (pid {pid})"),
        }
    }
}

/// One value that could be the key, with the blanks at its ends cut off.
#[derive(Clone, Debug)]
pub(super) struct KeyCandidate<'a> {
    pub(super) origin: KeyOrigin,
    pub(super) value: &'a str,
    pub(super) rejection: Option<KeyRejection>,
}

impl fmt::Display for KeyCandidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)
    }
}

impl<'a> Layers<'a> {
    /// Everything that sets `name` to something, the strongest source first.
    pub(super) fn candidates(&self, name: &str) -> Vec<KeyCandidate<'a>> {
        let mut found = Vec::new();
        for (session, value) in self.pushed.values(name) {
            found.extend(candidate(name, KeyOrigin::Session(session.sid), value.expose_secret()));
        }
        for file in self.env_files.iter().rev() {
            let value = file.value(name).map(SecretString::expose_secret);
            found.extend(value.and_then(|value| candidate(name, KeyOrigin::File(file.path().to_owned()), value)));
        }
        let parent =
            self.parent.and_then(|parent| candidate(name, KeyOrigin::Parent(parent.pid()), parent.shows(name)?));
        // What the parent shows overrides ours only where it may be a key itself.
        let overridden = parent.as_ref().filter(|shown| shown.rejection.is_none()).and(self.parent);
        found.extend(parent);
        if let Some(mut own) = self.own(name) {
            own.rejection = overridden.map(|parent| KeyRejection::Overridden(parent.pid())).or(own.rejection);
            found.push(own);
        }
        if self.pushed.is_forgotten(name) {
            for candidate in &mut found {
                candidate.rejection = Some(KeyRejection::Forgotten);
            }
        }
        found
    }

    fn own(&self, name: &str) -> Option<KeyCandidate<'a>> {
        // A value that is no text is there all the same: it is explained rather than passed over.
        let no_text = || KeyCandidate { origin: KeyOrigin::Own, value: "", rejection: Some(KeyRejection::NoHeader) };
        match self.process.text(name) {
            Some(value) => candidate(name, KeyOrigin::Own, value),
            None => self.process.is_no_text(name).then(no_text),
        }
    }

    /// Every name that some source sets and `known` admits.
    pub(super) fn names(&self, known: &KnownNames) -> BTreeSet<&'a str> {
        let files = self.env_files.iter().flat_map(EnvFile::names);
        let parent = self.parent.into_iter().flat_map(Parent::names);
        let all = self.pushed.each_name().chain(files).chain(parent).chain(self.process.names());
        all.filter(|name| known.admits(name)).collect()
    }
}

/// `None` where nothing but blanks stands there: that is unset.
fn candidate<'a>(name: &str, origin: KeyOrigin, value: &'a str) -> Option<KeyCandidate<'a>> {
    let value = value.trim();
    (!value.is_empty()).then(|| KeyCandidate { origin, value, rejection: reject_reason(name, value) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_around_a_value_are_cut_off_and_nothing_but_blanks_is_unset() {
        for (value, expected) in [
            ("  sk-abc\n", Some(("sk-abc", None))),
            (" brk_x", Some(("brk_x", Some(KeyRejection::OwnToken("brk_"))))),
            (" \n\t ", None),
            ("", None),
        ] {
            let got =
                candidate("X_API_KEY", KeyOrigin::Own, value).map(|candidate| (candidate.value, candidate.rejection));
            assert_eq!(got, expected, "{value:?}");
        }
    }
}
