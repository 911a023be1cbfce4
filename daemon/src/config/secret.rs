//! A secret among the settings: written out, or where it is found, as `env:NAME` or `file:/path`.

use std::{
    io,
    path::{Path, PathBuf},
};

use bitrouter_proto::env::is_variable_name;
use secrecy::SecretString;

use crate::{
    environment::same,
    regular_file::{self, ExposedFile, OpenError, UntrustedFile},
};

/// Larger files hold no secret of a setting.
const LIMIT: u64 = 64 << 10;

/// A secret: how it is written, and what it comes to once somebody has looked.
#[derive(Clone, Debug)]
pub struct Secret {
    written: Written,
    value: Option<SecretString>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Written {
    /// The settings file holds it.
    Out,
    /// This variable does.
    Variable(String),
    /// This file does.
    File(PathBuf),
}

/// Why there is no secret where the settings say. Follows the name of the setting.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or empty.
    #[error("names the variable `{0}`, which neither an env file nor the daemon's environment sets")]
    Unset(String),
    /// Others can read the file.
    #[error(transparent)]
    Exposed(#[from] ExposedFile),
    /// Others could have written the file.
    #[error(transparent)]
    Untrusted(#[from] UntrustedFile),
    /// The file cannot be read.
    #[error("names the file `{}`, which cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Nothing stands in it, or no text on one line.
    #[error("names the file `{}`, which must hold one line of text", .0.display())]
    NoLine(PathBuf),
}

impl Secret {
    /// Reads how a secret is written.
    ///
    /// # Errors
    /// What is wrong, as what follows the name of the setting; the text is never quoted.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(name) = text.strip_prefix("env:") {
            let is_name = is_variable_name(name);
            let written = is_name.then(|| Written::Variable(name.to_owned()));
            return written.map(Self::unread).ok_or("must name a variable behind `env:`");
        }
        if let Some(path) = text.strip_prefix("file:") {
            let is_path = Path::new(path).is_absolute() && !path.contains('\0');
            let written = is_path.then(|| Written::File(PathBuf::from(path)));
            return written.map(Self::unread).ok_or("must name an absolute path behind `file:`");
        }
        if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("must be a secret without spaces, `env:NAME` or `file:/path`");
        }
        Ok(Self { written: Written::Out, value: Some(text.into()) })
    }

    fn unread(written: Written) -> Self {
        Self { written, value: None }
    }

    /// True where the settings file itself holds it.
    pub fn is_written_out(&self) -> bool {
        self.written == Written::Out
    }

    /// Looks for it; `variable` is the environment.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn find(&mut self, variable: impl Fn(&str) -> Option<SecretString>) -> Result<(), SecretError> {
        match &self.written {
            Written::Out => {}
            Written::Variable(name) => {
                self.value = Some(variable(name).ok_or_else(|| SecretError::Unset(name.clone()))?);
            }
            Written::File(path) => self.value = Some(read(path)?),
        }
        Ok(())
    }

    /// What it comes to; `None` until somebody has looked.
    pub fn value(&self) -> Option<&SecretString> {
        self.value.as_ref()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
            && match (&self.value, &other.value) {
                (Some(one), Some(other)) => same(one, other),
                (one, other) => one.is_none() && other.is_none(),
            }
    }
}

impl Eq for Secret {}

/// The one line that a file of ours holds.
fn read(path: &Path) -> Result<SecretString, SecretError> {
    let unreadable = |error: OpenError| {
        let reason = io::Error::from(error).to_string();
        SecretError::Unreadable { path: path.to_owned(), reason }
    };
    let file = regular_file::open(path).map_err(unreadable)?;
    file.owned(path)?;
    file.private(path)?;
    let bytes = file.read(LIMIT).map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).ok().map(str::trim_end);
    let line = text.filter(|line| !line.is_empty() && !line.chars().any(char::is_control));
    line.map(SecretString::from).ok_or_else(|| SecretError::NoLine(path.to_owned()))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write what users write")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn found(text: &str) -> Result<Secret, SecretError> {
        let mut secret = Secret::parse(text).unwrap();
        secret.find(|name| (name == "SET").then(|| SecretString::from("canary"))).map(|()| secret)
    }

    #[test]
    fn a_secret_is_written_out_or_named() {
        assert!(Secret::parse("sk_test_canary").unwrap().is_written_out());
        assert_eq!(found("env:SET").unwrap(), found("env:SET").unwrap());
        assert!(found("env:SET").unwrap() != Secret::parse("env:SET").unwrap());
        assert!(found("env:SET").unwrap() != Secret::parse("canary").unwrap());
        let unset = found("env:UNSET").unwrap_err().to_string();
        assert!(unset.contains("`UNSET`"), "{unset}");
        for bad in ["", "a canary", "canary\n", "env:", "env:A B", "env:1", "file:", "file:canary", "file:~/canary"] {
            let reason = Secret::parse(bad).unwrap_err();
            assert!(reason.starts_with("must ") && !reason.contains("canary"), "{bad}: {reason}");
        }
        assert!(!format!("{:?}", Secret::parse("canary").unwrap()).contains("canary"));
    }

    #[test]
    fn a_file_with_a_secret_is_ours_alone_and_holds_one_line() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("key");
        let named = format!("file:{}", path.display());
        let write = |text: &str, mode: u32| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        assert!(matches!(found(&named), Err(SecretError::Unreadable { .. })));
        write("canary\n", 0o600);
        let (secret, other) = (found(&named).unwrap(), found(&named).unwrap());
        assert_eq!(secret, other);
        write("canaries\n", 0o400);
        assert!(secret != found(&named).unwrap());
        write("canary\n", 0o644);
        let open = found(&named).unwrap_err().to_string();
        assert!(open.contains(&format!("chmod 600 {}", path.display())) && !open.contains("canary"), "{open}");
        for text in ["", "\n", "a\nb\n"] {
            write(text, 0o600);
            assert!(matches!(found(&named), Err(SecretError::NoLine(_))), "{text:?}");
        }
    }
}
