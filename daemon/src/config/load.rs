//! Reading the settings file from disk: bounded, and only from a regular file.

use std::io;

use super::{Config, ConfigError, ConfigLocation};
use crate::regular_file::{self, OpenError};

/// Larger files are no settings.
const LIMIT: u64 = 1 << 20;

impl Config {
    /// Reads the settings file at `place`. One that is not there is all defaults, unless it is `required` because the
    /// user named it.
    pub fn load(place: &ConfigLocation<'_>, required: bool, known_providers: &[&str]) -> Result<Self, ConfigError> {
        let unreadable = |reason: String| ConfigError::Unreadable { path: place.path.to_owned(), reason };
        let bytes = match regular_file::open(place.path).and_then(|file| file.read(LIMIT)) {
            Ok(bytes) => bytes,
            Err(OpenError::Missing) if required => return Err(ConfigError::Missing(place.path.to_owned())),
            Err(OpenError::Missing) => return Ok(Self::default()),
            Err(error) => return Err(unreadable(io::Error::from(error).to_string())),
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse(text, place, known_providers),
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

    #[test]
    fn absent_is_the_default_unless_named() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("no/config.toml");
        let place = ConfigLocation { path: &path, home: None };
        assert_eq!(Config::load(&place, false, &[]).unwrap(), Config::default());
        let error = Config::load(&place, true, &[]).unwrap_err();
        assert!(matches!(error, ConfigError::Missing(_)) && error.to_string().contains("config.toml"));
    }

    #[test]
    fn a_file_is_read_and_what_is_no_text_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("config.toml");
        let place = ConfigLocation { path: &path, home: None };
        std::fs::write(&path, "[log]\nlevel = \"debug\"\n").unwrap();
        assert_eq!(Config::load(&place, true, &[]).unwrap().log.level, super::super::Level::Debug);
        std::fs::write(&path, b"[log]\nlevel = \"\xff\"\n").unwrap();
        let error = Config::load(&place, true, &[]).unwrap_err().to_string();
        assert!(error.contains("line 2 is not UTF-8"), "{error}");
        let place = ConfigLocation { path: root.path(), home: None };
        let error = Config::load(&place, false, &[]).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }
}
