//! The reference pages are generated from the code's own registries; a stale page fails.
//!
//! `UPDATE_DOCS=1 cargo nextest run --release -p bitrouter-tests --test docs` writes them anew.
#![expect(clippy::disallowed_methods, reason = "this test is also the generator")]

use std::{fmt::Write as _, path::Path};

use bitrouter_proto::{
    codes::{CheckCode, InferenceCode, Reason, exit},
    env::{self, Reader},
};

fn check(page: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        assert!(std::fs::write(&path, text).is_ok(), "`{}` cannot be written", path.display());
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, text, "docs/{page} is stale: run this test with UPDATE_DOCS=1");
}

#[test]
fn the_page_of_environment_variables_is_current() {
    let mut text = String::from(
        "# Environment variables\n\nGenerated from `proto/src/env.rs`. Empty means unset. The variables of provider \
         keys are in [keys.md](keys.md).\n\n| variable | read by | what it does |\n|---|---|---|\n",
    );
    for var in env::ALL {
        let reader = match var.reader {
            Reader::Client => "client",
            Reader::Daemon => "daemon",
            Reader::Both => "both",
        };
        writeln!(text, "| `{}` | {reader} | {} |", var.name, var.doc).unwrap();
    }
    check("environment.md", &text);
}

#[test]
fn the_page_of_codes_is_current() {
    let mut text = String::from(
        "# Codes\n\nGenerated from `proto/src/codes.rs`.\n\n## Exit codes\n\n| code | meaning |\n|---|---|\n",
    );
    for (code, meaning) in exit::ALL {
        writeln!(text, "| {code} | {meaning} |").unwrap();
    }
    writeln!(
        text,
        "\nBeyond that `exec` exits with the code of its command, or with {} and the number of the signal that ended it.",
        exit::BY_SIGNAL
    )
    .unwrap();
    text.push_str(
        "\n## `error.code` of the inference endpoint\n\nAn error that a provider answered keeps its own status. In a stream that has \
         begun the code stands in an error event, and the status is what it was.\n\n| code | status |\n|---|---|\n",
    );
    for code in InferenceCode::ALL {
        writeln!(text, "| `{code}` | {} |", code.status().as_u16()).unwrap();
    }
    text.push_str("\n## Reasons of the control API (`ErrorInfo.reason`, domain `bitrouter`)\n\n| reason | gRPC code | exit code |\n|---|---|---|\n");
    for reason in Reason::ALL {
        writeln!(text, "| `{reason}` | {:?} | {} |", reason.code(), reason.exit()).unwrap();
    }
    text.push_str(
        "\n## Checks of `doctor` (`checks[].code`)\n\nBesides, each warning that `status` shows is a check, under its own code, with its \
         own severity and command.\n\n| code | where it is passed |\n|---|---|\n",
    );
    for code in CheckCode::ALL {
        writeln!(text, "| `{code}` | {} |", code.meaning()).unwrap();
    }
    check("codes.md", &text);
}
