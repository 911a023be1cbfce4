//! What `serve` prints on a terminal: what was found, and lines that work when pasted.

use std::{fmt::Write as _, path::Path};

use bitrouter_proto::{shell, status::Status};

use crate::health::Code;

/// Makes the `openai` package importable by `python3` in this shell, be it bash, zsh or fish: a system's own Python may refuse
/// to install anything (`externally-managed-environment`).
const VENV: &str = "python3 -m venv ~/.venv && ~/.venv/bin/pip install openai && export PATH=\"$HOME/.venv/bin:$PATH\"";

/// What the banner needs to know besides the status.
#[derive(Clone, Copy, Debug)]
pub(super) struct BannerInput<'a> {
    /// Base URL of the endpoint, with `/v1`.
    pub(super) base_url: &'a str,
    /// A model that answers now, as `provider/model`.
    pub(super) model: Option<&'a str>,
    /// Our own path where `bitrouter` is not found on `PATH`.
    pub(super) own_path: Option<&'a Path>,
}

/// The banner (pure).
pub(super) fn text(status: &Status, input: BannerInput<'_>) -> String {
    let mut out = String::new();
    let version = bitrouter_proto::VERSION;
    let _ = writeln!(out, "bitrouter {version}\n");
    let _ = writeln!(out, "  listening   {}", input.base_url);
    for other in status.listen.iter().skip(1) {
        let _ = writeln!(out, "              http://{other}/v1");
    }
    let _ = writeln!(out, "  control     {}", status.socket.as_deref().unwrap_or_default());
    let active: Vec<_> = status.providers.iter().filter(|provider| provider.active).collect();
    for (n, provider) in active.iter().enumerate() {
        let label = if n == 0 { "providers" } else { "" };
        let from = provider.variable.as_deref().map_or_else(|| "needs no key".to_owned(), |v| format!("key from {v}"));
        let _ = writeln!(out, "  {label:<11} {:<12} {from}", provider.id);
    }
    let program =
        input.own_path.map_or_else(|| "bitrouter".to_owned(), |path| shell::quoted(&path.display().to_string()));
    // What to do without a key stands below, at length.
    for warning in status.warnings.iter().filter(|warning| warning.code != Code::NoProviderKey.as_str()) {
        let cure = warning.command.as_deref().filter(|command| !warning.message.contains(command));
        let cure = cure.map(|command| format!(" ({command})")).unwrap_or_default();
        // What a terminal shows may be typed: under the name that this shell knows.
        let line = format!("{}{cure}", warning.message).replace("`bitrouter ", &format!("`{program} "));
        let line = line.replace("(bitrouter ", &format!("({program} "));
        let _ = writeln!(out, "  {:<11} {line}", warning.severity.as_str());
    }
    let model = input.model.filter(|model| is_plain(model));
    if active.iter().all(|provider| provider.variable.is_none()) {
        let _ = write!(
            out,
            "\n  No provider key was found. Export one (OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_API_KEY, …) in another\n  \
             shell and run `{program} reload` there; no restart is needed.\n"
        );
        if model.is_none() {
            let _ = writeln!(out, "  To try everything without a key: {program} serve --demo");
        }
    } else if model.is_none() {
        out.push_str("\n  Call any model of a provider above by its name, as `provider/model`.\n");
    }
    if let Some(model) = model {
        let base = input.base_url;
        let url = shell::quoted(&format!("{base}/chat/completions"));
        let _ = write!(
            out,
            "\n  Try it. Where Python has no `openai` yet, this comes first; no system package is touched:\n  \
             `{VENV}`\n\n\
             curl -s {url} -H 'Content-Type: application/json' \
             -d '{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello there\"}}]}}'\n\n\
             python3 -c \"from openai import OpenAI; print(OpenAI(base_url='{base}', api_key='bitrouter-local')\
             .chat.completions.create(model='{model}', messages=[{{'role': 'user', 'content': 'Hello there'}}])\
             .choices[0].message.content)\"\n\n\
             {program} status\n"
        );
    } else {
        let _ = write!(out, "\n  What runs, and what is wrong:\n\n{program} status\n");
    }
    out.push_str("\n  Ctrl-C ends it.\n");
    out
}

/// Whether a name means itself inside the quotes of both lines.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+:@".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitrouter_proto::status::{ProviderStatus, Severity, State, Warning};

    fn status(variable: Option<&str>) -> Status {
        let mut status = Status::silent(State::Running);
        status.listen = vec!["127.0.0.1:4356".to_owned(), "[::1]:4356".to_owned()];
        status.socket = Some("/run/user/1000/bitrouter/control.sock".to_owned());
        status.providers = vec![ProviderStatus {
            id: "openai".to_owned(),
            active: variable.is_some(),
            key_source: variable.map(|_| "environment".to_owned()),
            variable: variable.map(str::to_owned),
            key_suffix: None,
            detail: String::new(),
            source: String::new(),
        }];
        status
    }

    #[test]
    fn it_names_the_variable_and_the_lines_to_paste() {
        let input = BannerInput {
            base_url: "http://127.0.0.1:4356/v1",
            model: Some("openai/gpt-6-luna"),
            own_path: Some(Path::new("/opt/my tools/bitrouter")),
        };
        let text = text(&status(Some("OPENAI_API_KEY")), input);
        for expected in [
            "key from OPENAI_API_KEY",
            "/run/user/1000/bitrouter/control.sock",
            "curl -s http://127.0.0.1:4356/v1/chat/completions",
            VENV,
            "\n'/opt/my tools/bitrouter' status\n",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        assert!(!text.contains("No provider key"));
    }

    #[test]
    fn without_a_key_it_says_what_to_do() {
        let input = BannerInput { base_url: "http://127.0.0.1:4356/v1", model: None, own_path: None };
        let text = text(&status(None), input);
        assert!(
            text.contains("bitrouter reload") && text.contains("serve --demo") && text.contains("\nbitrouter status\n")
        );
        // A line that must fail is none to paste.
        assert!(!text.contains("curl") && !text.contains("python3"), "{text}");
    }
    #[test]
    fn every_command_carries_our_own_path_where_the_shell_does_not_know_us() {
        let own_path = Some(Path::new("/src/target/release/bitrouter"));
        let input = BannerInput { base_url: "http://127.0.0.1:4356/v1", model: None, own_path };
        let mut status = status(None);
        status.warnings = vec![Warning {
            code: "reload_refused".to_owned(),
            severity: Severity::Warning,
            message: "see `bitrouter logs`".to_owned(),
            command: Some("bitrouter reload".to_owned()),
            since: String::new(),
        }];
        let text = text(&status, input);
        // Each `bitrouter VERB` stands behind the path.
        let bare = text.match_indices("bitrouter ").filter(|(at, _)| *at > 0 && !text[..*at].ends_with("/release/"));
        assert_eq!(bare.count(), 0, "{text}");
        assert_eq!(text.matches("/src/target/release/bitrouter ").count(), 5, "{text}");
    }

    #[test]
    fn a_name_that_a_shell_would_read_is_not_shown() {
        let hostile = Some("own/$(touch x)`'\"");
        let input = BannerInput { base_url: "http://[::1]:4356/v1", model: hostile, own_path: None };
        assert!(!text(&status(Some("OPENAI_API_KEY")), input).contains("touch"));
        let shown = text(&status(Some("OPENAI_API_KEY")), BannerInput { model: Some("openai/x"), ..input });
        assert!(shown.contains("curl -s 'http://[::1]:4356/v1/chat/completions' "), "{shown}");
    }
}
