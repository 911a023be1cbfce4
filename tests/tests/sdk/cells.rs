//! Every SDK, cell by cell, at a scripted provider itself: the baseline.

use bitrouter_tests::sdk::table;

macro_rules! cells {
    ($($name:ident: $cells:ident,)+) => {$(
        mod $name {
            use super::*;

            #[test]
            fn direct() {
                table::$cells.direct();
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
