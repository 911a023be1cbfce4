//! The last key that was made, with the address that it opens: one file of mode 0600, the key alone on its first line and the
//! address on its second. They are written at once, so that a key is never taken to another server's address.

use std::{
    fmt::Write as _,
    io::{ErrorKind, Read as _},
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use bitrouter_proto::{
    env,
    files::{self, PlaceError},
    paths::{PathError, Places},
    shell,
};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};

use super::{address::is_address, env::PLACEHOLDER};
use crate::{context::Context, exit::Failure, name::Name};

/// More bytes than such a file has.
const MOST: usize = 8192;

/// The file, and its directory.
#[derive(Debug)]
pub(super) struct KeyCache {
    directory: PathBuf,
    name: &'static str,
}

/// The file, whose directory is there and private.
#[derive(Debug)]
pub(super) struct OpenCache<'c> {
    cache: &'c KeyCache,
    directory: OwnedFd,
}

/// The last key.
#[derive(Clone, Debug)]
pub(super) struct CachedKey {
    pub(super) key: SecretString,
    /// What it opens, with the version segment; `None` in a file that another program wrote.
    pub(super) base_url: Option<String>,
}

impl KeyCache {
    /// The one of the name that the program was called by.
    pub(super) fn of(context: &Context) -> Result<Self, Failure> {
        Self::of_name(context, context.name())
    }

    fn of_name(context: &Context, name: Name) -> Result<Self, Failure> {
        let environment = &context.environment;
        Ok(match name {
            Name::Bitrouter => Self { directory: Places::of(environment)?.state_dir, name: "last-key" },
            Name::Tokenroute => {
                let lost = PathError::NoHome { what: "the last key", variable: env::TOKENROUTE_API_KEY };
                let home = environment.path(env::HOME).ok_or(lost)?;
                Self { directory: home.join(".tokenroute"), name: "last_key.txt" }
            }
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(self.name)
    }

    /// Makes its directory where there is none.
    pub(super) fn open(&self) -> Result<OpenCache<'_>, Failure> {
        let directory = files::private_dir(&self.directory).map_err(|error| self.unusable(&error))?;
        Ok(OpenCache { cache: self, directory })
    }

    /// The last key; `None` where none was kept.
    ///
    /// # Errors
    /// Where the file is not ours alone, or holds no key.
    pub(super) fn read(&self) -> Result<Option<CachedKey>, Failure> {
        let path = self.path();
        let mut file = match files::open_read(&path) {
            Ok(file) => file,
            Err(PlaceError::Io { source, .. })
                if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(self.unusable(&error)),
        };
        if file.metadata()?.mode() & 0o077 != 0 {
            let message = format!("`{}` holds a key, and others can read it", path.display());
            let cure = format!("chmod 600 {}", shell::quoted(&path.to_string_lossy()));
            return Err(Failure::caller(BAD, message).hint(cure));
        }
        // Nothing of it is left behind by a buffer that grew.
        let mut bytes = Zeroizing::new(vec![0; MOST]);
        let mut length = 0;
        while length < MOST {
            match file.read(&mut bytes[length..])? {
                0 => break,
                count => length += count,
            }
        }
        parse(&bytes[..length]).map(Some).ok_or_else(|| {
            let message = format!(
                "`{}` does not hold a key on its first line, and an address or nothing on its second",
                path.display()
            );
            Failure::caller(BAD, message).hint(format!("rm {}", shell::quoted(&path.to_string_lossy())))
        })
    }

    /// Removes the last key where it is the one with this id, as far as its own text tells; whether it was.
    pub(super) fn forget(&self, id: &str) -> Result<bool, Failure> {
        self.forget_where(|key| is_of(key, id))
    }

    /// Removes the last key where it is this one.
    pub(super) fn forget_key(&self, key: &SecretString) -> Result<bool, Failure> {
        self.forget_where(|last| last.expose_secret() == key.expose_secret())
    }

    fn forget_where(&self, is_meant: impl FnOnce(&SecretString) -> bool) -> Result<bool, Failure> {
        let Some(cached) = self.read()? else { return Ok(false) };
        if !is_meant(&cached.key) {
            return Ok(false);
        }
        let OpenCache { directory, .. } = self.open()?;
        files::remove(&directory, self.name, &self.path()).map_err(|error| self.unusable(&error))?;
        Ok(true)
    }

    fn unusable(&self, error: &PlaceError) -> Failure {
        let message = match error {
            // No variable leads there.
            PlaceError::Symlink(path) if self.name == "last_key.txt" => {
                format!("`{}` is a symlink; remove it, or put a directory there", path.display())
            }
            PlaceError::Foreign { path, owner, me } if self.name == "last_key.txt" => {
                format!("`{}` belongs to uid {owner}, not to uid {me}; remove it", path.display())
            }
            _ => error.to_string(),
        };
        Failure::caller("bad_place", message)
    }
}

/// Forgets the key with this id, which opens nothing any more, under both names of the program. That it is still there is no
/// failure of what was asked.
pub(in crate::cli) fn forget(context: &Context, id: &str) {
    for name in [Name::Bitrouter, Name::Tokenroute] {
        match KeyCache::of_name(context, name).and_then(|cache| cache.forget(id)) {
            Ok(true) => context.printer.stderr("note: it was the last key, which is forgotten here"),
            Ok(false) => {}
            // What the other name keeps is only looked at where it can be.
            Err(_) if name != context.name() => {}
            Err(failure) => {
                context.printer.stderr(&format!("note: whether it was the last key cannot be told: {failure}"));
            }
        }
    }
}

impl OpenCache<'_> {
    /// Where it is.
    pub(super) fn path(&self) -> PathBuf {
        self.cache.path()
    }

    /// Keeps the key, and what it opens, in the place of the last one.
    pub(super) fn keep(&self, key: &SecretString, base_url: &str) -> Result<(), Failure> {
        let mut text = Zeroizing::new(String::with_capacity(MOST));
        // Into a text nothing fails.
        let _ = writeln!(text, "{}\n{base_url}", key.expose_secret());
        let path: &Path = &self.path();
        files::replace(&self.directory, self.cache.name, text.as_bytes(), path).map_err(|error| {
            let message = format!("the key was made, and cannot be kept: {error}");
            Failure::caller("bad_place", message)
        })
    }
}

const BAD: &str = "bad_last_key";

/// Says whether a text can be a key: plain, and nothing that a shell or a .env file reads otherwise.
pub(super) fn is_key(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+/=~:".contains(&byte);
    !text.is_empty() && text.len() <= 4096 && text.bytes().all(is_plain) && text != PLACEHOLDER
}

/// Says whether a text looks like a secret rather than like the id of one.
pub(in crate::cli) fn looks_secret(text: &str) -> bool {
    let text = text.trim_start().to_ascii_lowercase();
    ["brk_", "bra_", "brr_", "sk-"].into_iter().any(|prefix| text.starts_with(prefix))
}

fn parse(bytes: &[u8]) -> Option<CachedKey> {
    let mut lines = std::str::from_utf8(bytes).ok()?.lines().map(str::trim);
    let key = lines.next().filter(|line| is_key(line))?;
    let base_url = match lines.next() {
        None | Some("") => None,
        Some(line) if is_address(line) => Some(line.to_owned()),
        Some(_) => return None,
    };
    Some(CachedKey { key: SecretString::from(key), base_url })
}

/// `brk_<id>.<secret>` is the key `key_<id>`.
fn is_of(key: &SecretString, id: &str) -> bool {
    let shown = key.expose_secret().strip_prefix("brk_").and_then(|rest| rest.split('.').next());
    let id = id.split_once('_').map(|(_, id)| id);
    matches!((shown, id), (Some(shown), Some(id)) if shown.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stands_on_the_first_line_and_its_address_on_the_second() {
        let read = |text: &str| {
            let cached = parse(text.as_bytes())?;
            Some((cached.key.expose_secret().to_owned(), cached.base_url))
        };
        let url = Some("https://a.example/v1".to_owned());
        assert_eq!(read("brk_1.s\nhttps://a.example/v1\n"), Some(("brk_1.s".to_owned(), url)));
        for text in ["sk-tr-x", "sk-tr-x\n", " sk-tr-x \r\n\nfoo\n"] {
            assert_eq!(read(text), Some(("sk-tr-x".to_owned(), None)), "{text:?}");
        }
        let bad_address = ["sk-tr-x\nfoo\n", "sk-tr-x\nhttps://a.example/$(id)\n", "sk-tr-x\nhttps://u:p@a.example\n"];
        for text in
            ["", "\n", "a b\n", "a\u{e9}", "$(id)", "'x'", "\u{0}", "bitrouter-local"].iter().chain(&bad_address)
        {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_key_of_ours_tells_its_id() {
        let key = SecretString::from("brk_01ab.secret");
        assert!(is_of(&key, "key_01ab") && is_of(&key, "key_01AB"));
        for text in ["brk_1.s", "bra_x", "sk-tr-x", " SK-x"] {
            assert!(looks_secret(text), "{text}");
        }
        assert!(!looks_secret("key_01ab") && !looks_secret("17") && !looks_secret("ask-1"));
        assert!(!is_of(&key, "key_02ab") && !is_of(&key, "17") && !is_of(&SecretString::from("sk-tr-x"), "key_x"));
    }
}
