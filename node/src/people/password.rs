//! Passwords: argon2id (RFC 9106) with 19 MiB, two passes and one lane, kept as a PHC string
//! (<https://github.com/P-H-C/phc-string-format>). What a stored string asks for is bounded before it is computed.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use bitrouter_proto::account::password::{self, PasswordError};
use secrecy::{ExposeSecret as _, SecretString};

use crate::secret::random_bytes;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT: usize = 16;
const HASH: usize = 32;

/// A password that somebody chose.
#[derive(Clone, Debug)]
pub struct Password(SecretString);

impl Password {
    /// The most bytes.
    pub const MAX_BYTES: usize = password::MAX_BYTES;

    /// Takes a text as a password.
    ///
    /// # Errors
    /// Where it is too short or too long.
    pub fn new(text: SecretString) -> Result<Self, PasswordError> {
        password::judge(text.expose_secret())?;
        Ok(Self(text))
    }

    /// What is kept of it. It takes some 20 ms and 19 MiB.
    pub(super) fn hash(&self) -> String {
        let salt: [u8; SALT] = random_bytes();
        let hash = argon2id(self.0.expose_secret().as_bytes(), &salt, [MEMORY_KIB, PASSES, LANES]).unwrap_or_default();
        format!(
            "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${}${}",
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(hash)
        )
    }
}

/// What is kept of a password, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredPassword {
    /// Memory in KiB, passes, lanes.
    costs: [u32; 3],
    salt: Vec<u8>,
    hash: [u8; HASH],
}

impl StoredPassword {
    /// Reads what [`Password::hash`] wrote; `None` for anything else, and for more than four times its costs: a row that
    /// somebody wrote by hand must not take the machine's memory.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let [costs, salt, hash]: [&str; 3] =
            text.strip_prefix("$argon2id$v=19$")?.split('$').collect::<Vec<_>>().try_into().ok()?;
        let costs: [&str; 3] = costs.split(',').collect::<Vec<_>>().try_into().ok()?;
        let number = |text: &str, name: &str| text.strip_prefix(name)?.parse::<u32>().ok();
        let costs = [number(costs[0], "m=")?, number(costs[1], "t=")?, number(costs[2], "p=")?];
        let most = [MEMORY_KIB, PASSES, LANES].map(|cost| 4 * cost);
        if costs.iter().zip(most).any(|(cost, most)| !(1..=most).contains(cost)) {
            return None;
        }
        let salt = STANDARD_NO_PAD.decode(salt).ok().filter(|salt| (8..=64).contains(&salt.len()))?;
        let hash = STANDARD_NO_PAD.decode(hash).ok()?.try_into().ok()?;
        Some(Self { costs, salt, hash })
    }

    /// What stands for the password of somebody who has none, or who does not exist: no password fits, and that takes as
    /// long to find out.
    pub(super) fn of_nobody() -> Self {
        Self { costs: [MEMORY_KIB, PASSES, LANES], salt: vec![0; SALT], hash: random_bytes() }
    }

    /// True where `offered` is the password.
    pub(super) fn fits(&self, offered: &SecretString) -> bool {
        let Some(hash) = argon2id(offered.expose_secret().as_bytes(), &self.salt, self.costs) else { return false };
        // Every byte is looked at, however early they differ.
        hash.iter().zip(self.hash).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
    }
}

fn argon2id(password: &[u8], salt: &[u8], [memory, passes, lanes]: [u32; 3]) -> Option<[u8; HASH]> {
    let params = Params::new(memory, passes, lanes, Some(HASH)).ok()?;
    let mut hash = [0; HASH];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(password, salt, &mut hash).ok()?;
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_have_bounds() {
        let judged = |text: &str| Password::new(text.into()).err();
        assert_eq!(judged("123456789"), Some(PasswordError::Short));
        assert_eq!(judged("ééééééééé"), Some(PasswordError::Short));
        assert_eq!(judged("éééééééééé"), None);
        assert_eq!(judged(&"x".repeat(1024)), None);
        assert_eq!(judged(&"x".repeat(1025)), Some(PasswordError::Long));
        assert!(!format!("{:?}", Password::new("correct horse".into())).contains("horse"));
    }

    #[test]
    fn n20_a_hash_is_a_phc_string_that_only_its_password_fits() {
        let password = Password::new("correct horse".into()).unwrap();
        let text = password.hash();
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
        let stored = StoredPassword::parse(&text).unwrap();
        assert!(stored.fits(&"correct horse".into()) && !stored.fits(&"correct horsf".into()));
        assert_ne!(text, password.hash());
        assert!(!StoredPassword::of_nobody().fits(&"correct horse".into()));
    }

    #[test]
    fn what_others_hash_is_understood() {
        // The reference implementation: `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32 -e`.
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(StoredPassword::parse(text).unwrap().fits(&"password".into()));
    }

    #[test]
    fn n20_stored_costs_are_bounded() {
        let text = Password::new("correct horse".into()).unwrap().hash();
        for (from, to) in [
            ("m=19456", "m=4294967295"),
            ("m=19456", "m=77825"),
            ("t=2", "t=9"),
            ("p=1", "p=5"),
            ("t=2", "t=0"),
            ("argon2id", "argon2i"),
            ("v=19", "v=16"),
            ("p=1$", "p=1$$"),
        ] {
            assert_eq!(StoredPassword::parse(&text.replace(from, to)), None, "{to}");
        }
        for text in ["", "$", "$argon2id$v=19$m=1,t=1,p=1$$", "plain"] {
            assert_eq!(StoredPassword::parse(text), None, "{text}");
        }
    }
}
