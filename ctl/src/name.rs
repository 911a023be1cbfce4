//! The name that the program was called by: `bitrouter`, or `tokenroute` where a link of that name leads to it.

use std::path::Path;

use bitrouter_proto::env;

/// The server of tokenroute.
const TOKENROUTE_SERVER: &str = "https://api.tokenroute.io";

/// The name that the program goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// Everything.
    Bitrouter,
    /// The everyday verbs, with the variables, the key cache and the server of tokenroute.
    Tokenroute,
}

impl Name {
    /// The name in the word that the program was called by.
    pub(crate) fn of(program: &Path) -> Self {
        if program.file_name().is_some_and(|name| name == Self::Tokenroute.as_str()) {
            Self::Tokenroute
        } else {
            Self::Bitrouter
        }
    }

    /// The name as it is typed.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Bitrouter => "bitrouter",
            Self::Tokenroute => "tokenroute",
        }
    }

    /// The variable that stands for `--json`.
    pub(crate) const fn json_variable(self) -> &'static str {
        match self {
            Self::Bitrouter => env::BITROUTER_JSON,
            Self::Tokenroute => env::TOKENROUTE_JSON,
        }
    }

    /// The variable that names the server of the everyday verbs.
    pub(crate) const fn url_variable(self) -> &'static str {
        match self {
            Self::Bitrouter => env::BITROUTER_API_URL,
            Self::Tokenroute => env::TOKENROUTE_API_URL,
        }
    }

    /// The variable that holds a key for calls.
    pub(crate) const fn key_variable(self) -> &'static str {
        match self {
            Self::Bitrouter => env::BITROUTER_API_KEY,
            Self::Tokenroute => env::TOKENROUTE_API_KEY,
        }
    }

    /// The server where nothing names another: `None` is that of the account that is signed in.
    pub(crate) const fn usual_server(self) -> Option<&'static str> {
        match self {
            Self::Bitrouter => None,
            Self::Tokenroute => Some(TOKENROUTE_SERVER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_last_part_of_the_word() {
        for (word, name) in [
            ("tokenroute", Name::Tokenroute),
            ("/usr/local/bin/tokenroute", Name::Tokenroute),
            ("./tokenroute", Name::Tokenroute),
            ("bitrouter", Name::Bitrouter),
            ("/opt/tokenroute/bitrouter", Name::Bitrouter),
            ("tokenroute-next", Name::Bitrouter),
            ("", Name::Bitrouter),
        ] {
            assert_eq!(Name::of(Path::new(word)), name, "{word}");
        }
    }
}
