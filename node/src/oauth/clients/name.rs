//! What a client may be called: people judge by its name whom they trust, so that no two of them look alike.

use bitrouter_proto::account::{Name, NameError, OauthClientId, folded, is_meaningless, is_of_marks};
use unicode_security::confusable_detection::skeleton;

use super::{BUILT_IN, ClientError, Clients};
use crate::store::{OauthClientRow, Write};

/// What people take for the product itself.
const OURS: [&str; 2] = ["bitrouter", "tokenroute"];

/// Reads a name.
///
/// # Errors
/// Where it is none.
pub(super) fn parse(text: &str) -> Result<Name, ClientError> {
    let wrong = |what: &str| ClientError::wrong("client_name", what);
    let name: Name = text.parse().map_err(|error: NameError| wrong(&error.to_string()))?;
    if name.as_str().chars().any(is_meaningless) {
        return Err(wrong(
            "the name of a client has no private-use, unassigned or interlinear characters: nobody can tell how they look",
        ));
    }
    if is_of_marks(name.as_str()) {
        return Err(wrong("the name of a client has a character that stands by itself, and not marks alone"));
    }
    Ok(name)
}

/// `name` without all that people do not tell names apart by: case, width, spaces, punctuation, and letters that look like others
/// (the skeleton of UTS #39 §4).
pub(super) fn looks(name: &str) -> String {
    // A letter in lower case may look like another one than in upper case: both ways lead to the same.
    let alike: String = skeleton(&folded(name)).map(latin).collect();
    let alike: String = skeleton(&folded(&alike)).collect();
    let letters: String = alike.chars().filter(|c| c.is_alphanumeric()).map(latin).collect();
    if letters.is_empty() { alike } else { letters }
}

/// The Latin letter for which a hurried reader takes `letter`, where UTS #39 keeps both apart: small capitals, and what Greek and
/// Cyrillic draw much like one.
fn latin(letter: char) -> char {
    match letter {
        'ᴀ' | 'ᴧ' | 'д' | 'λ' => 'a',
        'ʙ' | 'в' | 'β' | 'ß' | 'ϐ' | 'ъ' | 'ь' | 'б' => 'b',
        'ᴄ' | 'ꮯ' => 'c',
        'ᴅ' | 'δ' => 'd',
        'ᴇ' | 'ɛ' | 'ε' | 'є' | 'э' => 'e',
        'ꜰ' => 'f',
        'ɢ' => 'g',
        'ʜ' | 'н' | 'ћ' => 'h',
        // An `I` looks like an `l`, and is an `i` in lower case.
        'i' | 'ɪ' | 'ʟ' => 'l',
        'ᴊ' => 'j',
        'ᴋ' | 'к' | 'κ' | 'ĸ' => 'k',
        'ᴍ' | 'м' | 'ʍ' => 'm',
        'ɴ' | 'η' | 'п' | 'и' | 'ᴎ' => 'n',
        'ᴏ' | 'θ' | 'ɵ' => 'o',
        'ᴘ' => 'p',
        'ꞯ' => 'q',
        'ʀ' | 'ᴦ' | 'г' | 'я' | 'ᴙ' => 'r',
        'ꜱ' => 's',
        'ᴛ' | 'т' | 'τ' => 't',
        'ᴜ' | 'ʋ' | 'υ' | 'μ' | 'ц' => 'u',
        'ᴠ' => 'v',
        'ᴡ' | 'ω' | 'ѡ' | 'ш' | 'щ' => 'w',
        'ʏ' => 'y',
        'ᴢ' => 'z',
        other => other,
    }
}

/// Whether a client other than `but` may be called `folded`.
///
/// # Errors
/// Where a client is called so already, whoever's it is.
pub(super) async fn judge(
    clients: &Clients,
    write: &mut Write,
    folded: &str,
    but: Option<OauthClientId>,
) -> Result<(), ClientError> {
    let built_in = BUILT_IN.iter().flat_map(|(id, name)| [*id, *name]);
    let is_ours = built_in.chain(OURS).any(|taken| looks(taken) == folded);
    // What the database compares was worked out when each name was given: an older release may have done that otherwise.
    let is_known = clients.names(but).iter().any(|taken| looks(taken) == folded);
    if is_ours || is_known || OauthClientRow::is_called(write, folded, but).await? {
        return Err(ClientError::NameTaken);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ClientError, looks, parse};

    #[test]
    fn names_that_look_alike_are_one() {
        for alike in [
            "bitrouter (command line)",
            "BitRouter  (Command Line)",
            "bitrouter command-line",
            "bıtrouter (command line)",
            "βitrouter (command line)",
            "ʙitrouter (command line)",
            "Вitrouter (command line)",
            "ßitrouter (command line)",
            "biτrouτer (command line)",
            "bitʀouter (command line)",
            "bitяouter (command line)",
            "ʙɪᴛʀᴏᴜᴛᴇʀ (ᴄᴏᴍᴍᴀɴᴅ ʟɪɴᴇ)",
            "bitrουter (command line)",
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

    #[test]
    fn a_name_is_of_characters_that_look_the_same_to_everybody() {
        for good in ["my-agent", "ビットルーター", "агент", "Ωmega", "👩\u{200d}🚀 agent", "e\u{301}clair", "ⓐgent"]
        {
            assert!(parse(good).is_ok(), "{good}");
        }
        for (bad, what) in [
            ("a\u{fff9}b\u{fffa}c\u{fffb}", "interlinear"),
            ("\u{e000}agent", "private-use"),
            ("agent\u{f8ff}", "private-use"),
            ("agent\u{10fffd}", "private-use"),
            ("agent\u{fdd0}", "unassigned"),
            ("agent\u{ffff}", "unassigned"),
            ("agent\u{378}", "unassigned"),
            ("\u{301}", "marks alone"),
            ("\u{301} \u{20dd}\u{200d}\u{302}", "marks alone"),
        ] {
            match parse(bad) {
                Err(ClientError::Wrong { what: words, field }) => {
                    assert!(words.contains(what) && field == "client_name", "{bad:?}: {words}");
                }
                other => panic!("{bad:?}: {other:?}"),
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn what_looks_so_looks_so_again(text in "\\PC{1,24}") {
            let _ = looks(&looks(&text));
        }
    }
}
