//! The node's key: 32 random bytes in `node.key`. Successors of refresh tokens and CSRF tokens are derived from it, so
//! that they need not be stored; the database holds a canary that only this key makes.

use std::{io::Read as _, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bitrouter_proto::files::{self, PlaceError};
use ring::hmac;
use rustix::fd::OwnedFd;
use secrecy::zeroize::Zeroizing;

use super::{random_bytes, token::Seed};

/// The file is not longer than this.
const LONGEST: usize = 1024;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The file is there and holds no key.
    #[error("`{0}` holds no node key (32 bytes in base64)")]
    Malformed(String),
}

/// The node's key.
#[derive(Clone)]
pub struct NodeKey(hmac::Key);

impl std::fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeKey")
    }
}

impl NodeKey {
    /// Reads the key from `path`; `None` where there is no such file.
    ///
    /// # Errors
    /// Where it cannot be read, is not ours alone, or holds no key.
    pub fn read(path: &Path) -> Result<Option<Self>, KeyError> {
        let mut file = match files::open_read(path) {
            Ok(file) => file,
            Err(PlaceError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let malformed = || KeyError::Malformed(path.display().to_string());
        // With room for all of it: a text that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(LONGEST));
        file.by_ref().take(LONGEST as u64 - 1).read_to_string(&mut text).map_err(|_| malformed())?;
        let decoded = Zeroizing::new(STANDARD.decode(text.trim_end()).map_err(|_| malformed())?);
        let bytes: &Seed = decoded.as_slice().try_into().map_err(|_| malformed())?;
        Ok(Some(Self::of(bytes)))
    }

    /// Makes a key and writes it to `name` in `dir`, durably.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn create(dir: &OwnedFd, name: &str, shown: &Path) -> Result<Self, KeyError> {
        let bytes: Zeroizing<Seed> = Zeroizing::new(random_bytes());
        let mut text = Zeroizing::new(String::with_capacity(LONGEST));
        STANDARD.encode_string(bytes.as_slice(), &mut text);
        text.push('\n');
        files::replace(dir, name, text.as_bytes(), shown)?;
        Ok(Self::of(&bytes))
    }

    /// The key of these bytes.
    pub fn of(bytes: &Seed) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// What the key makes of `parts` for `purpose` (HMAC-SHA-256, RFC 2104): 32 bytes that nobody else can make. The length
    /// of each part goes in too, so that no two lists of parts are the same.
    pub fn derive(&self, purpose: &'static str, parts: &[&[u8]]) -> Seed {
        let mut context = hmac::Context::with_key(&self.0);
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        let mut seed = Seed::default();
        seed.copy_from_slice(context.sign().as_ref());
        seed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivation_depends_on_key_purpose_and_each_part() {
        let (key, other) = (NodeKey::of(&[1; 32]), NodeKey::of(&[2; 32]));
        let all = [
            key.derive("a", &[b"x", b"y"]),
            key.derive("b", &[b"x", b"y"]),
            key.derive("a", &[b"xy"]),
            key.derive("a", &[b"", b"xy"]),
            other.derive("a", &[b"x", b"y"]),
        ];
        assert_eq!(all[0], key.derive("a", &[b"x", b"y"]));
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|other| other != one));
        }
        assert_eq!(format!("{key:?}"), "NodeKey");
    }

    #[test]
    fn a_key_reads_back_and_a_broken_one_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("d");
        let dir = files::private_dir(&path).unwrap();
        let shown = path.join("node.key");
        assert!(NodeKey::read(&shown).unwrap().is_none());
        let made = NodeKey::create(&dir, "node.key", &shown).unwrap();
        let read = NodeKey::read(&shown).unwrap().unwrap();
        assert_eq!(made.derive("t", &[]), read.derive("t", &[]));
        files::replace(&dir, "node.key", b"AAAA\n", &shown).unwrap();
        assert!(matches!(NodeKey::read(&shown), Err(KeyError::Malformed(_))));
    }
}
