//! Reading the settings file from disk: bounded, and only from a regular file.

use std::io;

use super::{Config, ConfigError, ConfigLocation, KnownProviders};
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
        let bytes = file.read(LIMIT).map_err(|error| unreadable(io::Error::from(error).to_string()))?;
        if regular_file::is_utf16(&bytes) {
            return Err(unreadable("it is UTF-16; save the file as UTF-8".to_owned()));
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse(text, place, known),
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = good.split(|byte| *byte == b'\n').count();
                Err(unreadable(format!("line {line} is not UTF-8; save the file as UTF-8")))
            }
        }
    }
}

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
