//! Variables that terminal sessions pushed over the control socket.
//!
//! A push is taken whole or not at all. Between sessions the value that was pushed last wins, whether or not that
//! session had pushed the same before; a session's values outlive it. What can be no key (one of our own tokens) pushes
//! no key out. Everything is bounded: values that a newer push supersedes make room first, the oldest session first.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    names::{KnownNames, is_variable_name},
    procfs::Session,
    rejection::reject_reason,
};

/// Sessions that are remembered.
const MAX_SESSIONS: usize = 1_024;
/// Variables in one push.
const MAX_NAMES: usize = 1_024;
/// Bytes of a name.
const MAX_NAME: usize = 256;
/// Bytes of a value.
const MAX_VALUE: usize = 64 << 10;
/// Bytes of all names and values together.
const MAX_TOTAL: usize = 8 << 20;

/// One variable as a client sends it: `None`, like an empty value, says that it is not set there.
pub type Variable = (String, Option<SecretString>);

/// Why a push is refused. Never says what was pushed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// Too many variables at once.
    #[error("a push holds at most {MAX_NAMES} variables")]
    TooMany,
    /// A name that no variable can have.
    #[error("a pushed name is not a variable name (letters, digits and `_`, at most {MAX_NAME})")]
    BadName,
    /// A value that is no key.
    #[error("the value of `{0}` is longer than 64 KiB")]
    TooLong(String),
    /// No room, and nothing superseded that could make some.
    #[error("too much was pushed; withdraw something with `bitrouter reload --forget NAME`")]
    Full,
}

/// Everything that was pushed. Cloning it and dropping the clone undoes a push.
#[derive(Clone, Debug, Default)]
pub struct Pushed {
    sessions: BTreeMap<Session, BTreeMap<String, PushedVariable>>,
    forgotten: BTreeSet<String>,
    pushes: u64,
}

#[derive(Clone, Debug)]
struct PushedValue {
    secret: SecretString,
    /// The number of the push that brought it.
    push: u64,
}

impl PushedValue {
    /// True where it may be what `name` holds.
    fn is_fit(&self, name: &str) -> bool {
        reject_reason(name, self.secret.expose_secret().trim()).is_none()
    }
}

/// What one session says of one name.
#[derive(Clone, Debug)]
struct PushedVariable {
    value: PushedValue,
    /// What it sent later that can be no key, kept to be explained: the key before it stays.
    ignored: Option<PushedValue>,
}

impl PushedVariable {
    fn values(&self) -> impl Iterator<Item = &PushedValue> {
        self.ignored.iter().chain(Some(&self.value))
    }
}

/// The number of the newest push among `values`.
fn newest(values: &BTreeMap<String, PushedVariable>) -> Option<u64> {
    values.values().map(|held| held.value.push).max()
}

impl Pushed {
    /// What `bitrouter reload` sends: everything that `session` has now. What it pushed before and is absent here is
    /// withdrawn. Names that `known` does not admit are left out.
    pub fn replace_session(
        &mut self,
        session: Session,
        variables: Vec<Variable>,
        known: &KnownNames,
    ) -> Result<(), PushError> {
        self.push(session, variables, known, true)
    }

    /// What the shell hook sends: names that are set to something else now, or no longer set, in `session`.
    pub fn delta(&mut self, session: Session, variables: Vec<Variable>, known: &KnownNames) -> Result<(), PushError> {
        self.push(session, variables, known, false)
    }

    fn push(
        &mut self,
        session: Session,
        variables: Vec<Variable>,
        known: &KnownNames,
        replace: bool,
    ) -> Result<(), PushError> {
        check(&variables)?;
        // Values are shared with the copy only until the push is known to fit.
        let mut next = self.clone();
        next.pushes += 1;
        let session = next.recognised(session);
        let before = next.sessions.remove(&session).unwrap_or_default();
        let mut values = if replace { BTreeMap::new() } else { before.clone() };
        for (name, secret) in variables {
            if !known.admits(&name) {
                continue;
            }
            let Some(secret) = secret.filter(|secret| !secret.expose_secret().trim().is_empty()) else {
                values.remove(&name);
                continue;
            };
            let value = PushedValue { secret, push: next.pushes };
            let held = match before.get(&name) {
                Some(held) if !value.is_fit(&name) && held.value.is_fit(&name) => {
                    PushedVariable { ignored: Some(value), ..held.clone() }
                }
                _ => PushedVariable { value, ignored: None },
            };
            if held.ignored.is_none() && held.value.is_fit(&name) {
                next.forgotten.remove(&name);
            }
            values.insert(name, held);
        }
        if !values.is_empty() {
            next.sessions.insert(session, values);
        }
        next.make_room(session)?;
        *self = next;
        Ok(())
    }

    /// The session that `session` is among those that pushed. One whose leader is gone is the one last seen under its
    /// number: the kernel gives that away only when the session has ended.
    fn recognised(&self, session: Session) -> Session {
        if session.sid == 0 || session.leader_start.is_some() {
            return session;
        }
        let same = self.sessions.iter().filter(|(known, _)| known.sid == session.sid);
        same.max_by_key(|(_, values)| newest(values)).map_or(session, |(known, _)| *known)
    }

    /// Hides `names` wherever they come from, until they are pushed again.
    pub fn forget<S: Into<String>>(&mut self, names: impl IntoIterator<Item = S>) {
        for name in names {
            let name = name.into();
            if name.len() > MAX_NAME || !is_variable_name(&name) || self.forgotten.len() >= MAX_NAMES {
                continue;
            }
            for values in self.sessions.values_mut() {
                values.remove(&name);
            }
            self.forgotten.insert(name);
        }
        self.sessions.retain(|_, values| !values.is_empty());
    }

    /// True where `name` is hidden by [`Pushed::forget`].
    pub fn is_forgotten(&self, name: &str) -> bool {
        self.forgotten.contains(name)
    }

    /// The variables for which some session supplies what may be a key, sorted: what a crash or a restart loses.
    pub fn names(&self) -> Vec<String> {
        let held = self.sessions.values().flatten().filter(|(name, held)| held.value.is_fit(name));
        held.map(|(name, _)| name).collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// True where nothing is pushed.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// The values of `name`, the one that wins first.
    pub(super) fn values(&self, name: &str) -> Vec<(Session, &SecretString)> {
        let held = self.sessions.iter().filter_map(|(session, values)| Some((*session, values.get(name)?)));
        let mut values: Vec<_> =
            held.flat_map(|(session, held)| held.values().map(move |value| (session, value))).collect();
        // Within one push a session has one value, so the numbers differ.
        values.sort_by_key(|(_, value)| std::cmp::Reverse(value.push));
        values.into_iter().map(|(session, value)| (session, &value.secret)).collect()
    }

    /// The names that sessions supply; a name can come more than once.
    pub(super) fn each_name(&self) -> impl Iterator<Item = &str> {
        self.sessions.values().flat_map(|values| values.keys().map(String::as_str))
    }

    /// Drops the oldest sessions whose values are all superseded, until everything fits.
    fn make_room(&mut self, pushing: Session) -> Result<(), PushError> {
        while self.sessions.len() > MAX_SESSIONS || self.size() > MAX_TOTAL {
            let mut last: BTreeMap<&str, u64> = BTreeMap::new();
            for (name, held) in self.sessions.values().flatten() {
                let push = last.entry(name).or_default();
                *push = held.value.push.max(*push);
            }
            let superseded = |values: &BTreeMap<String, PushedVariable>| {
                values.iter().all(|(name, held)| last.get(name.as_str()).is_some_and(|last| *last > held.value.push))
            };
            let oldest = self
                .sessions
                .iter()
                .filter(|(session, values)| **session != pushing && superseded(values))
                .min_by_key(|(_, values)| newest(values))
                .map(|(session, _)| *session);
            match oldest {
                Some(session) => self.sessions.remove(&session),
                None => return Err(PushError::Full),
            };
        }
        Ok(())
    }

    fn size(&self) -> usize {
        let held = self.sessions.values().flatten();
        let bytes =
            |held: &PushedVariable| held.values().map(|value| value.secret.expose_secret().len()).sum::<usize>();
        held.map(|(name, held)| name.len() + bytes(held)).sum()
    }
}

fn check(variables: &[Variable]) -> Result<(), PushError> {
    if variables.len() > MAX_NAMES {
        return Err(PushError::TooMany);
    }
    for (name, value) in variables {
        if name.len() > MAX_NAME || !is_variable_name(name) {
            return Err(PushError::BadName);
        }
        if value.as_ref().is_some_and(|value| value.expose_secret().len() > MAX_VALUE) {
            return Err(PushError::TooLong(name.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "pushed_tests.rs"]
mod tests;
