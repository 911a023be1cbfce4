//! Env files on disk: who may be able to read one, and what it holds.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bitrouter_proto::clock;
use secrecy::SecretString;

use super::{
    constant_time::same,
    env_syntax::{LineReason, parse},
};
use crate::regular_file::{self, ExposedFile, OpenError, UntrustedFile};

/// Larger files hold no keys.
const LIMIT: u64 = 1 << 20;
/// A file that nobody has written to for so long is whole.
const REST: Duration = Duration::from_millis(50);
/// How often a file that is being written is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// An env file as it was read.
#[derive(Clone, Debug)]
pub struct EnvFile {
    path: PathBuf,
    present: bool,
    values: BTreeMap<String, SecretString>,
}

/// Why an env file is refused. Names the file and the line, never what stands there.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    /// A line cannot be read.
    #[error("{}:{line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: LineReason,
    },
    /// Others can read or change it.
    #[error(transparent)]
    Exposed(#[from] ExposedFile),
    /// It was named with `--env-file` and is not there.
    #[error("env file `{}` does not exist; create it, or leave `--env-file` out", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is a descriptor of the shell that started us, which is gone or can be read only once.
    #[error(
        "env file `{}` is a pipe of the shell, as `<(…)` gives, and a reload reads it again; name a file that stays",
        path.display()
    )]
    Pipe {
        /// The path.
        path: PathBuf,
    },
    /// Another user decides what stands in it.
    #[error(transparent)]
    Untrusted(#[from] UntrustedFile),
    /// Something that is no file is there.
    #[error("env file `{}` is not a regular file", path.display())]
    NotRegular {
        /// The path.
        path: PathBuf,
    },
    /// It is too large to be one.
    #[error("env file `{}` is larger than 1 MiB", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot read env file `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl EnvFile {
    /// Reads the env file at `path`. One that is not there holds nothing, unless it is `required` because the user
    /// named it.
    ///
    /// Refused: a file that others can read or write; one that its group can, unless root owns it; whatever is no
    /// regular file. A symlink is followed, and the file it leads to is judged.
    pub fn load(path: &Path, required: bool) -> Result<Self, EnvFileError> {
        let refuse = |error: OpenError| {
            let path = path.to_owned();
            match error {
                OpenError::Missing | OpenError::NotRegular if is_descriptor(&path) => EnvFileError::Pipe { path },
                OpenError::Missing => EnvFileError::Missing { path },
                OpenError::NotRegular => EnvFileError::NotRegular { path },
                OpenError::TooLarge(_) => EnvFileError::TooLarge { path },
                OpenError::Io(source) => EnvFileError::Io { path, source },
            }
        };
        let file = match regular_file::open(path) {
            Ok(file) => file,
            Err(OpenError::Missing) if !required => {
                return Ok(Self { path: path.to_owned(), present: false, values: BTreeMap::new() });
            }
            Err(error) => return Err(refuse(error)),
        };
        file.owned(path)?;
        file.private(path)?;
        let bytes = file.read(LIMIT).map_err(refuse)?;
        let values = parse(&bytes).map_err(|error| EnvFileError::Line {
            path: path.to_owned(),
            line: error.line,
            reason: error.reason,
        })?;
        Ok(Self { path: path.to_owned(), present: true, values })
    }

    /// [`EnvFile::load`], once the file has come to rest: whoever saves by writing over it leaves an empty or a half file
    /// for a moment. Where it does not come to rest by `deadline`, what was read `before` stays.
    pub fn load_at_rest(
        path: &Path,
        required: bool,
        before: Option<&Self>,
        deadline: Instant,
    ) -> Result<Self, EnvFileError> {
        loop {
            // Both looks: somebody may have begun to write while it was read.
            if is_at_rest(path) {
                let loaded = Self::load(path, required);
                if is_at_rest(path) {
                    return loaded;
                }
            }
            let left = deadline.saturating_duration_since(clock::monotonic_now());
            if left.is_zero() {
                return match before.filter(|before| before.present) {
                    Some(before) => Ok(before.clone()),
                    None => Self::load(path, required),
                };
            }
            std::thread::park_timeout(left.min(LOOK));
        }
    }

    /// True where both say the same.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let mut values = self.values.iter().zip(&other.values);
        self.path == other.path
            && self.present == other.present
            && self.values.len() == other.values.len()
            && values.all(|((name, value), (other_name, other_value))| name == other_name && same(value, other_value))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// False where there was no file.
    pub fn is_present(&self) -> bool {
        self.present
    }

    /// The value of `name`, where the file sets it to something.
    pub(crate) fn value(&self, name: &str) -> Option<&SecretString> {
        self.values.get(name)
    }

    /// The names that the file sets.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// An env file with these values, for tests of what is built on top.
    #[cfg(test)]
    pub(super) fn of(path: &str, values: &[(&str, &str)]) -> Self {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))).collect();
        Self { path: PathBuf::from(path), present: true, values }
    }
}

/// True where the path names a descriptor of some process rather than a file.
fn is_descriptor(path: &Path) -> bool {
    let mut parts = path.components().rev().skip(1).map(std::path::Component::as_os_str);
    path.starts_with("/dev/fd") || path.starts_with("/proc") && parts.next().is_some_and(|parent| parent == "fd")
}

/// False where the file was written to a moment ago. One whose time lies ahead was given that time by hand.
fn is_at_rest(path: &Path) -> bool {
    let changed = std::fs::metadata(path).and_then(|meta| meta.modified());
    changed.ok().and_then(|changed| clock::wall_now().duration_since(changed).ok()).is_none_or(|age| age >= REST)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write what users write")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn write(path: &Path, text: &str, mode: u32) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_that_is_being_written_is_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("env");
        let later = || clock::monotonic_now() + Duration::from_secs(10);
        write(&path, "K=half", 0o600);
        let writer = std::thread::spawn({
            let path = path.clone();
            move || {
                for text in ["", "K=ha", "K=whole"] {
                    std::thread::park_timeout(REST / 3);
                    write(&path, text, 0o600);
                }
            }
        });
        let read = EnvFile::load_at_rest(&path, false, None, later()).unwrap();
        writer.join().unwrap();
        let reference = EnvFile::of(path.to_str().unwrap(), &[("K", "whole")]);
        assert!(read.says_the_same(&reference), "half a file was read");

        // One that never comes to rest says what it said before.
        write(&path, "K=torn", 0o600);
        let read = EnvFile::load_at_rest(&path, false, Some(&reference), clock::monotonic_now()).unwrap();
        assert!(read.says_the_same(&reference));
        // A time that lies ahead is no writer.
        let ahead = clock::wall_now() + Duration::from_hours(24);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(ahead).unwrap();
        let read = EnvFile::load_at_rest(&path, false, Some(&reference), clock::monotonic_now()).unwrap();
        assert!(!read.says_the_same(&reference));
        let absent = EnvFile::load_at_rest(&root.path().join("none"), false, Some(&reference), later()).unwrap();
        assert!(!absent.is_present());
    }

    #[test]
    fn the_mode_that_counts_is_the_files_behind_a_symlink() {
        let root = tempfile::tempdir().unwrap();
        let (file, link) = (root.path().join("file"), root.path().join("li nk's"));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&file, "K=v", 0o600);
        let loaded = EnvFile::load(&link, true).unwrap();
        assert!(loaded.is_present() && loaded.value("K").is_some());
        assert_eq!(loaded.names().collect::<Vec<_>>(), ["K"]);
        write(&file, "K=v", 0o644);
        let text = EnvFile::load(&link, false).unwrap_err().to_string();
        assert!(text.contains("mode 0644") && text.contains(r"li nk'\''s'`"), "{text}");
    }

    #[test]
    fn missing_is_empty_or_an_error() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("none/env");
        let absent = EnvFile::load(&path, false).unwrap();
        assert!(!absent.is_present() && absent.names().next().is_none());
        assert!(matches!(EnvFile::load(&path, true), Err(EnvFileError::Missing { .. })));
    }

    #[test]
    fn a_bad_line_is_named_and_not_quoted() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("env");
        write(&path, "A=1\nK=\"canary\nB=2\n", 0o600);
        let error = EnvFile::load(&path, false).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("{}:2: a quote is not closed", path.display())), "{text}");
        assert!(!text.contains("canary") && !format!("{error:?}").contains("canary"));
    }

    #[test]
    fn r1_20_a_pipe_of_the_shell_is_called_what_it_is() {
        for path in ["/dev/fd/63", "/proc/self/fd/963"] {
            let error = EnvFile::load(Path::new(path), true).unwrap_err().to_string();
            assert!(error.contains("is a pipe of the shell") && error.ends_with("name a file that stays"), "{error}");
        }
        assert!(!is_descriptor(Path::new("/home/u/fd/env")));
    }

    #[test]
    fn what_is_no_file_or_too_large_is_refused() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(EnvFile::load(root.path(), false), Err(EnvFileError::NotRegular { .. })));
        let path = root.path().join("env");
        write(&path, &"#".repeat((1 << 20) + 1), 0o600);
        assert!(matches!(EnvFile::load(&path, false), Err(EnvFileError::TooLarge { .. })));
    }

    #[test]
    fn debug_prints_no_value() {
        let file = EnvFile::of("/e", &[("K", "canary")]);
        let text = format!("{file:?}");
        assert!(text.contains('K') && !text.contains("canary"), "{text}");
    }
}
