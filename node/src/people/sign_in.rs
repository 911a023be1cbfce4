//! A name and a password become a person.

use bitrouter_proto::account::{Name, folded};
use secrecy::SecretString;

use super::{Busy, Locked, password::StoredPassword};
use crate::{
    Node,
    http::AddressKey,
    store::{PersonRow, StoreError, sign_in_addresses},
};

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    /// The name or the password is wrong: which of them is not said.
    #[error("this name and this password do not belong together")]
    Wrong,
    /// Too many were wrong.
    #[error(transparent)]
    Locked(#[from] Locked),
    /// Too many passwords are being hashed.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whoever showed to be this person, and with what: it is looked at again when the session is made.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) person: PersonRow,
    pub(crate) password_hash: String,
}

impl Node {
    /// Judges a name and a password from `address`. A name that nobody has takes as long, and counts as much.
    pub(crate) async fn judge_password(
        &self,
        name: &str,
        password: SecretString,
        address: AddressKey,
    ) -> Result<Shown, SignInError> {
        let folded = normalised(name);
        let mut read = self.store.read().await?;
        let found = PersonRow::by_folded_name(&mut read, &folded).await?;
        let known = match &found {
            Some((person, _)) => sign_in_addresses::is_known(&mut read, person.id, address).await?,
            None => false,
        };
        drop(read);
        let attempt = self.people.lockout.begin(&folded, address, known, self.clock.monotonic())?;
        let (person, password_hash) = found.map(|(person, hash)| (Some(person), hash)).unwrap_or_default();
        let stored = password_hash.as_deref().and_then(StoredPassword::parse).unwrap_or_else(StoredPassword::of_nobody);
        let fits = self.people.hashing.run(Some(address), move || stored.fits(&password)).await?;
        match (person, password_hash, fits) {
            (Some(person), Some(password_hash), true) => {
                attempt.succeeded();
                Ok(Shown { person, password_hash })
            }
            _ => {
                attempt.failed(self.clock.monotonic());
                Err(SignInError::Wrong)
            }
        }
    }
}

/// The form in which names are compared and counted. No name is longer than what is kept of it.
fn normalised(name: &str) -> String {
    let name = name.trim();
    name.parse::<Name>()
        .map_or_else(|_| folded(&name.chars().take(Name::MAX + 1).collect::<String>()), |name| name.folded())
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn n20_spellings_of_a_name_are_one() {
        assert_eq!(normalised(" Ada "), normalised("aDA"));
        assert_eq!(normalised("Zoe\u{308}"), normalised("ZOË"));
        assert_eq!(normalised(&"x".repeat(9999)).len(), 129);
    }
}
