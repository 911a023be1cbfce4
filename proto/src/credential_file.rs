//! Reading the credential file: who may have written it, and what is in it. Reading never changes it.

use std::{
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::{
    account::credential::{BadCredential, Credential},
    files::{self, PlaceError},
    paths::Places,
};

/// The name of the file in the data directory.
pub const NAME: &str = "account-credentials.json";

/// The most bytes that are read.
const LIMIT: u64 = 1 << 20;

/// Why the file that is there is not used. It stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum UnusableFile {
    /// It is not ours alone, or cannot be read.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Others may read it.
    #[error("`{path}` can be used by others (mode {mode:04o}); run `chmod 600 {path}`")]
    Exposed {
        /// Where.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is longer than any credential.
    #[error("`{0}` is no credential: it is longer than 1 MiB")]
    TooLong(PathBuf),
    /// Its content is none.
    #[error("`{path}` is no credential: {reason}")]
    Content {
        /// Where.
        path: PathBuf,
        /// Why not.
        reason: BadCredential,
    },
}

/// Where the credential file of these places is.
pub fn path(places: &Places) -> PathBuf {
    places.data_dir.join(NAME)
}

/// The credential at `path`; `None` where there is no file.
///
/// # Errors
/// Where there is one that is not used.
pub fn read(path: &Path) -> Result<Option<Credential>, UnusableFile> {
    let file = match files::open_read(path) {
        Ok(file) => file,
        Err(PlaceError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let unreadable = |source| PlaceError::Io { action: "read", path: path.to_owned(), source };
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(UnusableFile::Exposed { path: path.to_owned(), mode });
    }
    let mut content = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > LIMIT {
        return Err(UnusableFile::TooLong(path.to_owned()));
    }
    let content = zeroizing(content);
    let parsed = Credential::parse(secrecy::ExposeSecret::expose_secret(&content));
    parsed.map(Some).map_err(|reason| UnusableFile::Content { path: path.to_owned(), reason })
}

fn zeroizing(content: Vec<u8>) -> secrecy::SecretSlice<u8> {
    content.into()
}
