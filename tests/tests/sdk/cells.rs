//! Every SDK, cell by cell: at a scripted provider itself (the baseline), at the same through the daemon, once more with
//! the provider's bytes cut and its lines ended by CRLF, and at the daemon's own `demo`. Other cuts: `make soak`.

use bitrouter_tests::{
    dialects::Script,
    sdk::{Cells, table},
};

/// Cuts inside characters and frames, and frames that come together; few enough for a busy machine.
const PIECES: [usize; 9] = [7, 100, 1, 2, 500, 3, 64, 5, 90];

macro_rules! cells {
    ($($place:ident: $run:expr => [$($name:ident: $cells:ident,)+];)+) => {$(
        mod $place {
            use super::*;

            $(#[test]
            fn $name() {
                $run(table::$cells);
            })+
        }
    )+};
}

cells! {
    direct: Cells::direct => [
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
    ];
    through_the_daemon: |cells: Cells| cells.through_daemon(Script::new()) => [
        openai_chat_python: OPENAI_CHAT_PYTHON,
        openai_responses_python: OPENAI_RESPONSES_PYTHON,
        anthropic_python: ANTHROPIC_PYTHON,
        google_python: GOOGLE_PYTHON,
        google_node: GOOGLE_NODE,
        openai_chat_node: OPENAI_CHAT_NODE,
        openai_responses_node: OPENAI_RESPONSES_NODE,
        anthropic_node: ANTHROPIC_NODE,
        ai_openai_responses: AI_OPENAI_RESPONSES,
        ai_openai_chat: AI_OPENAI_CHAT,
        ai_compatible: AI_COMPATIBLE,
        ai_anthropic: AI_ANTHROPIC,
        ai_google: AI_GOOGLE,
    ];
    through_the_daemon_in_pieces: |cells: Cells| cells.through_daemon(Script::new().crlf().cut_by(&PIECES)) => [
        openai_chat_python: OPENAI_CHAT_PYTHON,
        openai_responses_python: OPENAI_RESPONSES_PYTHON,
        anthropic_python: ANTHROPIC_PYTHON,
        google_python: GOOGLE_PYTHON,
        google_node: GOOGLE_NODE,
        openai_chat_node: OPENAI_CHAT_NODE,
        openai_responses_node: OPENAI_RESPONSES_NODE,
        anthropic_node: ANTHROPIC_NODE,
        ai_openai_responses: AI_OPENAI_RESPONSES,
        ai_openai_chat: AI_OPENAI_CHAT,
        ai_compatible: AI_COMPATIBLE,
        ai_anthropic: AI_ANTHROPIC,
        ai_google: AI_GOOGLE,
    ];
    at_demo: Cells::at_demo => [
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
    ];
}
