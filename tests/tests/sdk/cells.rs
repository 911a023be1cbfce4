//! Every SDK, cell by cell: at a scripted provider itself (the baseline), at the same through the daemon, once more with
//! the provider's bytes cut and its lines ended by CRLF, and at the daemon's own `demo`. Other cuts: `make soak`.

use bitrouter_tests::{dialects::Script, sdk::table};

macro_rules! cells {
    ($($name:ident: $cells:ident,)+) => {$(
        mod $name {
            use super::*;

            #[test]
            fn direct() {
                table::$cells.direct();
            }

            #[test]
            fn through_the_daemon() {
                table::$cells.through_daemon(Script::new());
            }

            #[test]
            fn through_the_daemon_in_pieces() {
                table::$cells.through_daemon(Script::new().crlf().cut_every(7));
            }

            #[test]
            fn at_demo() {
                table::$cells.at_demo();
            }
        }
    )+};
}

cells! {
    openai_chat_python: OPENAI_CHAT_PYTHON,
    openai_responses_python: OPENAI_RESPONSES_PYTHON,
    anthropic_python: ANTHROPIC_PYTHON,
    google_python: GOOGLE_PYTHON,
    openai_chat_node: OPENAI_CHAT_NODE,
    openai_responses_node: OPENAI_RESPONSES_NODE,
    anthropic_node: ANTHROPIC_NODE,
    google_node: GOOGLE_NODE,
    ai_openai_responses: AI_OPENAI_RESPONSES,
    ai_openai_chat: AI_OPENAI_CHAT,
    ai_compatible: AI_COMPATIBLE,
    ai_anthropic: AI_ANTHROPIC,
    ai_google: AI_GOOGLE,
}
