//! What a client may be called: people judge by its name whom they trust, so that no two of them look alike.

use bitrouter_proto::account::{Name, NameError, OauthClientId, folded};
use unicode_security::confusable_detection::skeleton;

use super::{BUILT_IN, ClientError};
use crate::store::{OauthClientRow, Write};

/// What people take for the product itself.
const OURS: [&str; 2] = ["bitrouter", "tokenroute"];

/// Reads a name.
///
/// # Errors
/// Where it is none.
pub(super) fn parse(text: &str) -> Result<Name, ClientError> {
    text.parse().map_err(|error: NameError| ClientError::wrong("client_name", error.to_string()))
}

/// `name` without all that people do not tell names apart by: case, width, spaces, punctuation, and letters that look like others
/// (the skeleton of UTS #39 §4).
pub(super) fn looks(name: &str) -> String {
    // A letter in lower case may look like another one than in upper case: both ways lead to the same.
    let alike: String = skeleton(&folded(name)).collect();
    let alike: String = skeleton(&folded(&alike)).collect();
    // An `I` looks like an `l`, and is an `i` in lower case.
    let letters: String =
        alike.chars().filter(|c| c.is_alphanumeric()).map(|c| if c == 'i' { 'l' } else { c }).collect();
    if letters.is_empty() { alike } else { letters }
}

/// Whether a client other than `but` may be called `folded`.
///
/// # Errors
/// Where a client is called so already, whoever's it is.
pub(super) async fn judge(write: &mut Write, folded: &str, but: Option<OauthClientId>) -> Result<(), ClientError> {
    let built_in = BUILT_IN.iter().flat_map(|(id, name)| [*id, *name]);
    let is_ours = built_in.chain(OURS).any(|taken| looks(taken) == folded);
    if is_ours || OauthClientRow::is_called(write, folded, but).await? {
        return Err(ClientError::NameTaken);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::looks;

    #[test]
    fn names_that_look_alike_are_one() {
        for alike in [
            "bitrouter (command line)",
            "BitRouter  (Command Line)",
            "bitrouter command-line",
            "bıtrouter (command line)",
            "bitr\u{43e}uter (command line)",
            "ｂｉｔｒｏｕｔｅｒ (command line)",
            "bit\u{200d}router (command line)",
            "BITR0UTER (COMMAND LINE)",
            "bitrouter (command Iine)",
            "bItrouter (command 1ine)",
        ] {
            assert_eq!(looks(alike), looks("bitrouter (command line)"), "{alike}");
        }
        for other in ["bitrouter", "bitrouters (command line)", "command line", "ビットルーター"] {
            assert_ne!(looks(other), looks("bitrouter (command line)"), "{other}");
        }
        assert_ne!(looks("🦀"), looks("🚀"));
        assert!(!looks("🦀").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn what_looks_so_looks_so_again(text in "\\PC{1,24}") {
            let _ = looks(&looks(&text));
        }
    }
}
