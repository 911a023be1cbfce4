//! Why a manifest or a catalog was refused.
//!
//! A reason names the place and never quotes the value: people write the key itself where its variable belongs, and an
//! address can carry a password. Only what is a name by its form (an id, a model, a key of the file) is repeated.

use std::path::PathBuf;

use super::ProviderId;

/// A refusal; its text names the file, line or setting and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// A provider id has other characters than it may.
    #[error("a provider id is 1 to 64 lower-case letters, digits and `-`")]
    Id,
    /// A manifest is not valid TOML or has a value of the wrong kind.
    #[error("{}:{line}: {reason}", file.display())]
    Manifest {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A manifest has a key that no manifest has.
    #[error("{}:{line}: unknown key `{key}`; did you mean `{nearest}`", file.display())]
    UnknownKey {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its path.
        key: String,
        /// The nearest known one.
        nearest: String,
    },
    /// Two manifests of the same origin claim one id.
    #[error("two manifests have the id `{id}`: {} and {}; rename one", first.display(), second.display())]
    TwoManifests {
        /// The id.
        id: ProviderId,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// The id belongs to what is built in.
    #[error("{}: the id `{id}` is reserved; choose another one", file.display())]
    Reserved {
        /// The id.
        id: ProviderId,
        /// The file.
        file: PathBuf,
    },
    /// Two providers would read one variable as their own.
    #[error("the providers `{first}` and `{second}` both give the variable {variable}; rename one")]
    OneVariable {
        /// One id.
        first: ProviderId,
        /// The other.
        second: ProviderId,
        /// The variable.
        variable: String,
    },
    /// The configuration speaks of a provider that does not exist.
    #[error("`[providers.{id}]` names no provider{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`")).unwrap_or_default())]
    UnknownProvider {
        /// What was written.
        id: ProviderId,
        /// The nearest known one.
        nearest: Option<ProviderId>,
    },
    /// A value of the configuration or of a manifest cannot be used.
    #[error("{place}: {reason}")]
    Value {
        /// The setting or the file and key.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
}
