//! Opaque tokens: `bra_<id>.<secret>` (access), `brr_<id>.<secret>` (refresh) and `brk_<id>.<secret>` (an API key). `<id>` is
//! the ULID of the grant or the key; the secret has 37 base62 characters (220 bits) and 6 of the CRC-32 (IEEE) of all before it behind the prefix, so that a
//! typing error is known without a look at anything. Only SHA-256 of the whole text is kept.

use std::fmt;

use secrecy::SecretString;
use ulid::{ULID_LEN, Ulid};

use super::hex;

/// What a token is made from: 32 bytes, random or derived. 220 bits of it become the secret.
pub type Seed = [u8; 32];

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET: usize = 37;
const CHECK: usize = 6;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// It opens the API.
    Access,
    /// It gets a new pair.
    Refresh,
    /// It opens the API until it is revoked.
    Key,
}

impl TokenKind {
    const ALL: [Self; 3] = [Self::Access, Self::Refresh, Self::Key];

    /// What tokens of this kind begin with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Access => "bra_",
            Self::Refresh => "brr_",
            Self::Key => "brk_",
        }
    }
}

/// SHA-256 of a token's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of any secret text.
    pub fn of(text: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, text).as_ref());
        Self(hash)
    }

    /// The hash as the database holds it: 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        hex(&self.0)
    }

    /// The hash that [`TokenHash::to_hex`] wrote.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// A token that we made. Its text is given out once.
#[derive(Clone, Debug)]
pub struct Token {
    text: SecretString,
    hash: TokenHash,
}

impl Token {
    /// The token of the grant or key `id` that `seed` makes: the same one each time.
    pub fn of_seed(kind: TokenKind, id: Ulid, seed: &Seed) -> Self {
        let body = format!("{}.{}", bare(id), base62::<SECRET>(&seed_number(seed)));
        let check = base62::<CHECK>(&[u64::from(crc32fast::hash(body.as_bytes())), 0, 0, 0]);
        let text = format!("{}{body}{check}", kind.prefix());
        Self { hash: TokenHash::of(text.as_bytes()), text: text.into() }
    }

    /// Its text.
    pub fn text(&self) -> &SecretString {
        &self.text
    }

    /// What is kept of it.
    pub fn hash(&self) -> TokenHash {
        self.hash
    }
}

/// A token as somebody presents it: well-formed, whether we ever issued it or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresentedToken {
    /// What it is for.
    pub kind: TokenKind,
    /// The grant or key that it names.
    pub id: Ulid,
    /// What would be kept of it.
    pub hash: TokenHash,
}

impl PresentedToken {
    /// Reads `text`; `None` for anything that is no token of ours, a typing error included.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let kind = TokenKind::ALL.into_iter().find(|kind| text.starts_with(kind.prefix().as_bytes()))?;
        let rest = &text[kind.prefix().len()..];
        if rest.len() != ULID_LEN + 1 + SECRET + CHECK || rest[ULID_LEN] != b'.' {
            return None;
        }
        let (body, check) = rest.split_at(rest.len() - CHECK);
        let expected = base62::<CHECK>(&[u64::from(crc32fast::hash(body)), 0, 0, 0]);
        if expected.as_bytes() != check {
            return None;
        }
        let written = std::str::from_utf8(&rest[..ULID_LEN]).ok()?;
        let id = Ulid::from_string(&written.to_ascii_uppercase()).ok()?;
        // One spelling: what is kept is a hash of the text.
        (bare(id) == written).then(|| Self { kind, id, hash: TokenHash::of(text) })
    }
}

/// True for what begins as a key of ours and is none: a character of it is wrong, or its end is missing. What other servers
/// give out may be formed in another way.
pub fn is_mistyped_key(text: &str) -> bool {
    let id = text.strip_prefix(TokenKind::Key.prefix()).and_then(|rest| rest.split_once('.')).map(|(id, _)| id);
    let is_ours = id.is_some_and(|id| id.len() == ULID_LEN && Ulid::from_string(&id.to_ascii_uppercase()).is_ok());
    is_ours && PresentedToken::parse(text.as_bytes()).is_none()
}

/// A ULID as it stands in a token.
fn bare(id: Ulid) -> String {
    id.to_string().to_ascii_lowercase()
}

/// The first 220 bits of `seed` as a number, its lowest 64 bits first.
fn seed_number(seed: &Seed) -> [u64; 4] {
    let mut number = [0; 4];
    for (digit, bytes) in number.iter_mut().zip(seed.chunks_exact(8)) {
        *digit = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    }
    // 220 = 3 × 64 + 28: the rest of the last digit is left away.
    number[3] &= (1 << 28) - 1;
    number
}

/// `number` in base 62, its highest digit first, filled up with `0` to `N` digits.
fn base62<const N: usize>(number: &[u64; 4]) -> String {
    let mut number = *number;
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        let mut rest: u128 = 0;
        for part in number.iter_mut().rev() {
            let value = rest << 64 | u128::from(*part);
            // What is below 62 × 2^64 divided by 62 fits.
            *part = u64::try_from(value / 62).unwrap_or(u64::MAX);
            rest = value % 62;
        }
        *digit = ALPHABET[usize::try_from(rest).unwrap_or(0)];
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn id() -> Ulid {
        Ulid::from_parts(7, 9)
    }

    #[test]
    fn a_token_has_the_published_form() {
        for (kind, prefix) in [(TokenKind::Access, "bra_"), (TokenKind::Refresh, "brr_"), (TokenKind::Key, "brk_")] {
            let token = Token::of_seed(kind, id(), &[0xff; 32]);
            let text = token.text().expose_secret();
            let (head, secret) = text.split_once('.').unwrap();
            assert_eq!(head, format!("{prefix}00000000070000000000000009"));
            assert_eq!(secret.len(), 43);
            assert!(secret.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            let body = text[prefix.len()..].split_at(text.len() - 10).0.to_owned();
            assert_eq!(base62::<6>(&[u64::from(crc32fast::hash(body.as_bytes())), 0, 0, 0]), text[text.len() - 6..]);
            assert!(!format!("{token:?}").contains(secret));
            let read = PresentedToken::parse(text.as_bytes()).unwrap();
            assert_eq!((read.kind, read.id, read.hash), (kind, id(), token.hash()));
        }
    }

    #[test]
    fn n22_a_key_that_was_mistyped_or_cut_is_told_from_one_of_another_server() {
        let token = Token::of_seed(TokenKind::Key, id(), &[3; 32]);
        let text = token.text().expose_secret();
        assert!(!is_mistyped_key(text));
        for at in 32..text.len() {
            assert!(is_mistyped_key(&text[..at]), "cut at {at}");
        }
        assert!(is_mistyped_key(&format!("{text}x")));
        let other = if text.ends_with('a') { "b" } else { "a" };
        assert!(is_mistyped_key(&format!("{}{other}", &text[..text.len() - 1])));
        assert!(is_mistyped_key(&text.replacen("brk_0", "brk_1", 1)));
        for foreign in ["brk_01jxyz.Zx81", "brk_17.secret", "bra_00000000070000000000000009.x", "brk_", ""] {
            assert!(!is_mistyped_key(foreign), "{foreign}");
        }
    }

    #[test]
    fn n22_a_typing_error_is_seen_in_the_token_itself() {
        let token = Token::of_seed(TokenKind::Refresh, id(), &[3; 32]);
        let text = token.text().expose_secret().as_bytes();
        let read = PresentedToken::parse(text).unwrap();
        assert_eq!((read.kind, read.id, read.hash), (TokenKind::Refresh, id(), token.hash()));
        for at in 0..text.len() {
            let mut wrong = text.to_vec();
            wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
            assert_eq!(PresentedToken::parse(&wrong), None, "{at}");
        }
        assert_eq!(PresentedToken::parse(&text[..text.len() - 1]), None);
    }

    #[test]
    fn base62_is_positional() {
        assert_eq!(base62::<6>(&[0, 0, 0, 0]), "000000");
        assert_eq!(base62::<6>(&[61, 0, 0, 0]), "00000z");
        assert_eq!(base62::<6>(&[62 * 62 + 10, 0, 0, 0]), "00010A");
        assert_eq!(base62::<12>(&[0, 1, 0, 0]), "0LygHa16AHYG");
    }

    proptest::proptest! {
        #[test]
        fn different_seeds_make_different_tokens(a: [u8; 32], b: [u8; 32]) {
            let token = |seed| Token::of_seed(TokenKind::Access, id(), seed).hash();
            proptest::prop_assert_eq!(token(&a) == token(&b), seed_number(&a) == seed_number(&b));
            proptest::prop_assert_eq!(TokenHash::from_hex(&token(&a).to_hex()), Some(token(&a)));
        }

        #[test]
        fn anything_presented_is_read_without_a_panic(bytes: Vec<u8>, text in "br[ark]_[0-9a-z]{26}\\.[0-9A-Za-z]{40,45}") {
            let _ = (PresentedToken::parse(&bytes), PresentedToken::parse(text.as_bytes()));
        }
    }
}
