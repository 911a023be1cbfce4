//! The sources side by side: for one name, everything that could supply its value, strongest first, and what keeps a
//! value from counting.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

use bitrouter_proto::env::Environment;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    env_file::EnvFile,
    names::KnownNames,
    parent::{Parent, Word},
    pushed::Pushed,
};

/// Beginnings of what we issue ourselves: never a provider's key, so that no provider is ever sent one.
const OWN_PREFIXES: [&str; 4] = ["brk_", "bra_", "brr_", "sk-tr-"];
/// What `bitrouter env` writes where an SDK insists on some key.
const PLACEHOLDER: &str = "bitrouter-local";

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
pub enum Origin {
    /// A terminal session.
    Session(u32),
    /// An env file.
    File(PathBuf),
    /// The environment that the daemon was started with.
    Own,
    /// The environment of its recorded parent.
    Parent(u32),
}

impl Origin {
    /// The kind of source.
    pub fn kind(&self) -> KeySourceKind {
        match self {
            Self::Session(_) => KeySourceKind::Pushed,
            Self::File(_) => KeySourceKind::EnvFile,
            Self::Own | Self::Parent(_) => KeySourceKind::Environment,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(0) => f.write_str("a push from an unknown session"),
            Self::Session(sid) => write!(f, "a push from terminal session {sid}"),
            Self::File(path) => write!(f, "env file `{}`", path.display()),
            Self::Own => f.write_str("the daemon's own environment"),
            Self::Parent(pid) => write!(f, "its parent's environment (pid {pid})"),
        }
    }
}

/// Why a value cannot be a key, wherever it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Barred {
    /// Hidden by `reload --forget`.
    Forgotten,
    /// The parent (pid) shows another value, or none.
    Overridden(u32),
    /// One of our own tokens; its beginning.
    OwnToken(&'static str),
    /// The stand-in that `bitrouter env` writes.
    Placeholder,
    /// It cannot stand in an HTTP header.
    NoHeader,
}

impl Barred {
    /// True where the value itself is no key, false where something else stands before it.
    pub(super) fn is_about_the_value(self) -> bool {
        matches!(self, Self::OwnToken(_) | Self::Placeholder | Self::NoHeader)
    }
}

impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forgotten => f.write_str("hidden by `bitrouter reload --forget` until it is pushed again"),
            Self::Overridden(pid) => write!(f, "overridden: its parent (pid {pid}) sets it differently now"),
            Self::OwnToken(start) => write!(f, "ignored: `{start}…` is a token of bitrouter, not a provider's key"),
            Self::Placeholder => write!(f, "ignored: `{PLACEHOLDER}` only stands in for a key"),
            Self::NoHeader => f.write_str("ignored: it holds a character that no HTTP header can carry"),
        }
    }
}

/// One value that could be the key, with the blanks at its ends cut off.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) origin: Origin,
    pub(super) value: &'a str,
    pub(super) barred: Option<Barred>,
}

impl fmt::Display for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)
    }
}

impl<'a> Layers<'a> {
    /// Everything that sets `name` to something, the strongest source first.
    pub(super) fn candidates(&self, name: &str) -> Vec<Candidate<'a>> {
        let mut found = Vec::new();
        for (session, value) in self.pushed.values(name) {
            found.extend(candidate(Origin::Session(session.sid), value.expose_secret()));
        }
        for file in self.env_files.iter().rev() {
            let value = file.value(name).map(SecretString::expose_secret);
            found.extend(value.and_then(|value| candidate(Origin::File(file.path().to_owned()), value)));
        }
        let word = self.parent.and_then(|parent| Some((parent.pid(), parent.word_on(name)?)));
        if let Some((pid, Word::Set(value))) = word {
            found.extend(candidate(Origin::Parent(pid), value.expose_secret()));
        }
        if let Some(mut own) = self.process.text(name).and_then(|value| candidate(Origin::Own, value)) {
            own.barred = word.map(|(pid, _)| Barred::Overridden(pid)).or(own.barred);
            found.push(own);
        }
        if self.pushed.is_forgotten(name) {
            for candidate in &mut found {
                candidate.barred = Some(Barred::Forgotten);
            }
        }
        found
    }

    /// Every name that some source sets and `known` admits.
    pub(super) fn names(&self, known: &KnownNames) -> BTreeSet<&'a str> {
        let files = self.env_files.iter().flat_map(EnvFile::names);
        let parent = self.parent.into_iter().flat_map(Parent::names);
        let all = self.pushed.each_name().chain(files).chain(parent).chain(self.process.names());
        all.filter(|name| known.admits(name)).collect()
    }

    /// The env files that are there.
    pub fn present_files(&self) -> impl Iterator<Item = &'a Path> {
        self.env_files.iter().filter(|file| file.is_present()).map(EnvFile::path)
    }
}

/// `None` where nothing but blanks stands there: that is unset.
fn candidate(origin: Origin, value: &str) -> Option<Candidate<'_>> {
    let value = value.trim();
    let barred = if let Some(start) = OWN_PREFIXES.into_iter().find(|start| value.starts_with(start)) {
        Some(Barred::OwnToken(start))
    } else if value == PLACEHOLDER {
        Some(Barred::Placeholder)
    } else if value.bytes().any(|b| !(b == b'\t' || (0x20..0x7f).contains(&b))) {
        Some(Barred::NoHeader)
    } else {
        None
    };
    (!value.is_empty()).then_some(Candidate { origin, value, barred })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key() {
        for (value, expected) in [
            ("sk-abc", Some(None)),
            ("  sk-abc\n", Some(None)),
            ("a b", Some(None)),
            ("brk_x", Some(Some(Barred::OwnToken("brk_")))),
            (" bra_x", Some(Some(Barred::OwnToken("bra_")))),
            ("brr_", Some(Some(Barred::OwnToken("brr_")))),
            ("sk-tr-1", Some(Some(Barred::OwnToken("sk-tr-")))),
            ("sk-try", Some(None)),
            ("xbrk_", Some(None)),
            ("bitrouter-local", Some(Some(Barred::Placeholder))),
            ("bitrouter-local-2", Some(None)),
            ("a\nb", Some(Some(Barred::NoHeader))),
            ("a\u{7f}", Some(Some(Barred::NoHeader))),
            ("schlüssel", Some(Some(Barred::NoHeader))),
            ("", None),
            (" \n\t ", None),
        ] {
            let got = candidate(Origin::Own, value).map(|candidate| candidate.barred);
            assert_eq!(got, expected, "{value:?}");
        }
    }
}
