//! `revoked.log`: a line for each right that was taken away, `<number> <milliseconds> <kind> <id>`. It only grows.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bitrouter_proto::{
    account::Role,
    files::{self, PlaceError},
};
use rustix::{
    fd::OwnedFd,
    fs::{FallocateFlags, fallocate},
};

use super::{Revocation, RevokedLine};
use crate::{clock::Moment, secret::TokenHash};

/// What is set aside behind the last line, so that revoking works on a full disk.
const ROOM: u64 = 1 << 20;

/// The longest line that is read.
const LONGEST: usize = 256;

/// Why the log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The operating system refused.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line before the last one is none.
    #[error("line {line} of `{path}` is none that this program wrote")]
    Damaged {
        /// Where.
        path: PathBuf,
        /// Its number.
        line: usize,
    },
    /// What was written before may not be on the disk.
    #[error("`revoked.log` could not be synced; `bitrouter restart` reads it again")]
    Unusable,
}

/// What the log says that a database does not know yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// The lines, in their order.
    pub(crate) lines: Vec<RevokedLine>,
    /// The number of the newest line of all.
    newest: i64,
    /// False where numbers are left out, or one does not rise.
    is_whole: bool,
}

/// The log of a running node.
#[derive(Debug)]
pub(crate) struct RevokedLog {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// The number of the last line that there ever was.
    seq: i64,
    /// Where the next line begins.
    end: u64,
    /// Up to where room is set aside.
    room: u64,
    /// A failed fsync is final: the kernel may have dropped what was to be written, and says so once.
    unusable: bool,
}

impl RevokedLog {
    /// Opens the log in `dir`, or makes an empty one; answers what stands behind the line `known` too. What a crash left of a
    /// last line is cut off: nobody was told of it.
    pub(crate) fn open(dir: &OwnedFd, name: &str, shown: &Path, known: i64) -> Result<(Self, Missing), LogError> {
        let failed = |action| move |source| LogError::Io { action, path: shown.to_owned(), source };
        let file = files::open_lock(dir, name, shown)?;
        let mut reader = BufReader::new(file);
        let mut missing = Missing { lines: Vec::new(), newest: 0, is_whole: true };
        let (mut end, mut number) = (0, 0);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).map_err(failed("read"))?;
            if line.last() != Some(&b'\n') {
                break;
            }
            number += 1;
            let read = read_line(&line).ok_or_else(|| LogError::Damaged { path: shown.to_owned(), line: number })?;
            missing.take(read, known);
            end += length as u64;
        }
        let mut file = reader.into_inner();
        // Cutting off gives back what was set aside.
        let length = file.metadata().map_err(failed("inspect"))?.len();
        let cut = if length > end { file.set_len(end) } else { Ok(()) };
        cut.and_then(|()| file.seek(SeekFrom::Start(end))).map_err(failed("write"))?;
        let mut state = State { file, seq: missing.newest.max(known), end, room: end, unusable: false };
        state.set_room_aside();
        state.file.sync_all().map_err(failed("sync"))?;
        rustix::fs::fsync(dir).map_err(|error| failed("sync the directory of")(error.into()))?;
        Ok((Self { path: shown.to_owned(), state: Mutex::new(state) }, missing))
    }

    /// Makes the log in `dir`, where there is none, with the one line that everything was taken away: it is there with that line, or
    /// not at all.
    pub(crate) fn begin(dir: &OwnedFd, name: &str, shown: &Path, seq: i64, at: Moment) -> Result<(), LogError> {
        let line = RevokedLine { seq, at, what: Revocation::Everything };
        Ok(files::replace(dir, name, write_line(&line).as_bytes(), shown)?)
    }

    /// Writes a line, durably.
    pub(crate) fn append(&self, at: Moment, what: Revocation) -> Result<RevokedLine, LogError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.unusable {
            return Err(LogError::Unusable);
        }
        let line = RevokedLine { seq: state.seq + 1, at, what };
        let text = write_line(&line);
        let failed = |action| move |source| LogError::Io { action, path: self.path.clone(), source };
        if let Err(error) = state.file.write_all(text.as_bytes()) {
            // Half a line must not stand before the next one.
            let end = state.end;
            let cut = state.file.set_len(end).and_then(|()| state.file.seek(SeekFrom::Start(end)));
            state.unusable = cut.is_err();
            return Err(failed("write")(error));
        }
        if let Err(error) = state.file.sync_data() {
            state.unusable = true;
            return Err(failed("sync")(error));
        }
        state.seq = line.seq;
        state.end += text.len() as u64;
        if state.room.saturating_sub(state.end) < ROOM / 2 {
            state.set_room_aside();
        }
        Ok(line)
    }
}

impl Missing {
    /// True where lines are not there that must have been: `newest` is the number of the newest that anybody knows of.
    pub(crate) fn lacks_lines(&self, newest: i64) -> bool {
        self.newest < newest || !self.is_whole
    }

    /// Takes the next line of a log whose lines up to `known` are in the database.
    fn take(&mut self, line: RevokedLine, known: i64) {
        // What took everything away says more than all that may have stood before it.
        let follows = line.seq == self.newest.max(known) + 1 || line.what == Revocation::Everything;
        if line.seq <= self.newest || line.seq > known && !follows {
            self.is_whole = false;
        }
        if line.seq > known {
            self.lines.push(line);
        }
        self.newest = line.seq.max(self.newest);
    }
}

impl State {
    /// Sets room aside, where the file system can. On a full disk what is left must do.
    fn set_room_aside(&mut self) {
        if fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.end, ROOM).is_ok() {
            self.room = self.end + ROOM;
        }
    }
}

fn write_line(line: &RevokedLine) -> String {
    let (kind, id) = match line.what {
        Revocation::Grant(id) => ("grant", id.to_string()),
        Revocation::GrantWithKeys(id) => ("grant_with_keys", id.to_string()),
        Revocation::Key(id) => ("key", id.to_string()),
        Revocation::KeySecret(hash) => ("key_secret", hash.to_hex()),
        Revocation::StoredKey(hash) => ("stored_key", hash.to_hex()),
        Revocation::Client(id) => ("client", id.to_string()),
        Revocation::ClientWithKeys(id) => ("client_with_keys", id.to_string()),
        Revocation::ClientSecret(hash) => ("client_secret", hash.to_hex()),
        Revocation::Namespace(id) => ("namespace", id.to_string()),
        Revocation::Membership(namespace, person) => ("membership", format!("{namespace}/{person}")),
        Revocation::Role(namespace, person, role) => ("role", format!("{namespace}/{person}/{}", role.as_str())),
        Revocation::Person(id) => ("person", id.to_string()),
        Revocation::WebSessions(id) => ("web_sessions", id.to_string()),
        Revocation::WebSession(hash) => ("web_session", hash.to_hex()),
        Revocation::Password(id) => ("password", id.to_string()),
        Revocation::Everything => ("everything", "-".to_owned()),
    };
    format!("{} {} {kind} {id}\n", line.seq, line.at.millis())
}

fn read_line(line: &[u8]) -> Option<RevokedLine> {
    let text = std::str::from_utf8(line).ok().filter(|text| text.len() <= LONGEST)?.strip_suffix('\n')?;
    let mut parts = text.split(' ');
    let (seq, at) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let (kind, id) = (parts.next()?, parts.next()?);
    let what = match kind {
        "grant" => Revocation::Grant(id.parse().ok()?),
        "grant_with_keys" => Revocation::GrantWithKeys(id.parse().ok()?),
        "key_secret" => Revocation::KeySecret(TokenHash::from_hex(id)?),
        "stored_key" => Revocation::StoredKey(TokenHash::from_hex(id)?),
        "key" => Revocation::Key(id.parse().ok()?),
        "client" => Revocation::Client(id.parse().ok()?),
        "client_with_keys" => Revocation::ClientWithKeys(id.parse().ok()?),
        "client_secret" => Revocation::ClientSecret(TokenHash::from_hex(id)?),
        "namespace" => Revocation::Namespace(id.parse().ok()?),
        "membership" => {
            let (namespace, person) = id.split_once('/')?;
            Revocation::Membership(namespace.parse().ok()?, person.parse().ok()?)
        }
        "role" => {
            let (namespace, rest) = id.split_once('/')?;
            let (person, role) = rest.split_once('/')?;
            Revocation::Role(namespace.parse().ok()?, person.parse().ok()?, Role::parse_given(role)?)
        }
        "person" => Revocation::Person(id.parse().ok()?),
        "web_sessions" => Revocation::WebSessions(id.parse().ok()?),
        "web_session" => Revocation::WebSession(TokenHash::from_hex(id)?),
        "password" => Revocation::Password(id.parse().ok()?),
        "everything" if id == "-" => Revocation::Everything,
        _ => return None,
    };
    (parts.next().is_none() && seq > 0).then_some(RevokedLine { seq, at: Moment::from_millis(at), what })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write what a crash leaves behind")]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use bitrouter_proto::account::{GrantId, KeyId, NamespaceId, OauthClientId, PersonId};
    use ulid::Ulid;

    use super::*;

    fn every_kind() -> [Revocation; 16] {
        let ulid = Ulid::from(7_u128);
        [
            Revocation::Grant(GrantId::new(ulid)),
            Revocation::GrantWithKeys(GrantId::new(ulid)),
            Revocation::Key(KeyId::new(ulid)),
            Revocation::KeySecret(TokenHash::of(b"secret")),
            Revocation::StoredKey(TokenHash::of(b"sealed")),
            Revocation::Client(OauthClientId::new(ulid)),
            Revocation::ClientWithKeys(OauthClientId::new(ulid)),
            Revocation::ClientSecret(TokenHash::of(b"secret of a client")),
            Revocation::Namespace(NamespaceId::new(ulid)),
            Revocation::Membership(NamespaceId::new(ulid), PersonId::new(ulid)),
            Revocation::Role(NamespaceId::new(ulid), PersonId::new(ulid), Role::Viewer),
            Revocation::Person(PersonId::new(ulid)),
            Revocation::WebSessions(PersonId::new(ulid)),
            Revocation::WebSession(TokenHash::of(b"cookie")),
            Revocation::Password(PersonId::new(ulid)),
            Revocation::Everything,
        ]
    }

    #[test]
    fn lines_come_back_and_half_a_line_is_cut_off() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("d");
        let dir = files::private_dir(&path).unwrap();
        let shown = path.join("revoked.log");
        let open = |known| RevokedLog::open(&dir, "revoked.log", &shown, known);
        let (log, none) = open(0).unwrap();
        assert_eq!(none, Missing { lines: Vec::new(), newest: 0, is_whole: true });
        let at = Moment::from_millis(1_000);
        let written = every_kind().map(|what| log.append(at, what).unwrap());
        assert_eq!(written.map(|line| line.seq), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        let whole = std::fs::read(&shown).unwrap();
        std::fs::write(&shown, [whole.as_slice(), b"17 1000 gra"].concat()).unwrap();
        assert_eq!(open(0).unwrap().1, Missing { lines: written.into(), newest: 16, is_whole: true });
        assert_eq!(std::fs::read(&shown).unwrap(), whole);
        assert_eq!(open(3).unwrap().1.lines, written[3..]);
        // A database that is ahead of a log that was put back: numbers only rise.
        let (log, none) = open(19).unwrap();
        assert!(none.lines.is_empty());
        assert_eq!(log.append(at, Revocation::Everything).unwrap().seq, 20);
    }

    #[test]
    fn lines_that_are_not_there_are_missed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("d");
        let dir = files::private_dir(&path).unwrap();
        let shown = path.join("revoked.log");
        let id = PersonId::new(Ulid::from(7_u128));
        for (numbers, known, is_whole, missing) in [
            ("1 2 3", 0, true, 3),
            ("1 2 3", 3, true, 0),
            ("2 3", 0, false, 2),
            ("2 3", 1, true, 2),
            ("1 2 4 5", 2, false, 2),
            // What the database has had is of no use any more.
            ("1 4 5", 4, true, 1),
            ("2 1 3", 0, false, 3),
            ("3 2 1", 2, false, 1),
            ("1 1 2", 0, false, 3),
            ("1 2 9e 10", 1, true, 3),
            ("9e 10", 0, true, 2),
            ("9e 11", 0, false, 2),
        ] {
            let line = |number: &str| match number.strip_suffix('e') {
                Some(number) => format!("{number} 5 everything -\n"),
                None => format!("{number} 5 person {id}\n"),
            };
            let text: String = numbers.split(' ').map(line).collect();
            files::replace(&dir, "revoked.log", text.as_bytes(), &shown).unwrap();
            let (_log, found) = RevokedLog::open(&dir, "revoked.log", &shown, known).unwrap();
            assert_eq!((found.is_whole, found.lines.len()), (is_whole, missing), "{numbers} behind {known}");
        }
    }

    #[test]
    fn a_foreign_line_in_the_middle_is_named() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("d");
        let dir = files::private_dir(&path).unwrap();
        let shown = path.join("revoked.log");
        for text in [
            "1 5 everything -\nx\n",
            "0 5 everything -\n",
            "1 5 grant usr_0\n",
            "1 5 everything - x\n",
            "1 5 role a/b/owner\n",
        ] {
            files::replace(&dir, "revoked.log", text.as_bytes(), &shown).unwrap();
            let error = RevokedLog::open(&dir, "revoked.log", &shown, 0).unwrap_err();
            assert!(matches!(error, LogError::Damaged { .. }), "{text}: {error}");
            assert_eq!(std::fs::read(&shown).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn room_is_set_aside_before_it_is_needed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("d");
        let dir = files::private_dir(&path).unwrap();
        let shown = path.join("revoked.log");
        let (log, _) = RevokedLog::open(&dir, "revoked.log", &shown, 0).unwrap();
        let state = log.state.lock().unwrap();
        let stat = std::fs::metadata(&shown).unwrap();
        // Where the file system cannot, nothing is promised.
        if state.room > 0 {
            assert!(stat.blocks() * 512 >= ROOM, "{} blocks", stat.blocks());
        }
        assert_eq!((stat.len(), stat.mode() & 0o777), (0, 0o600));
    }
}
