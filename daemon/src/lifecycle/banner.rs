//! What `serve` prints on a terminal: what was found, and lines that work when pasted.

use std::{fmt::Write as _, path::Path};

use bitrouter_proto::{shell, status::Status};

/// What the banner needs to know besides the status.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// Base URL of the endpoint, with `/v1`.
    pub(super) base_url: &'a str,
    /// A model that answers now, as `provider/model`.
    pub(super) model: Option<&'a str>,
    /// Our own path where `bitrouter` is not found on `PATH`.
    pub(super) own_path: Option<&'a Path>,
}

/// The banner (pure).
pub(super) fn text(status: &Status, facts: Facts<'_>) -> String {
    let mut out = String::new();
    let version = bitrouter_proto::VERSION;
    let _ = writeln!(out, "bitrouter {version}\n");
    let _ = writeln!(out, "  listening   {}", facts.base_url);
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
    for warning in &status.warnings {
        let cure = warning.command.as_deref().map(|c| format!(" ({c})")).unwrap_or_default();
        let _ = writeln!(out, "  {:<11} {}{cure}", warning.severity.as_str(), warning.message);
    }
    if active.iter().all(|provider| provider.variable.is_none()) {
        out.push_str(
            "\n  No provider key was found. Export one (OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_API_KEY, …) in another\n  \
             shell and run `bitrouter reload` there; no restart is needed.\n",
        );
        if facts.model.is_none() {
            out.push_str("  To try everything without a key: bitrouter serve --demo\n");
        }
    }
    let model = facts.model.unwrap_or("demo/echo");
    let base = facts.base_url;
    let program =
        facts.own_path.map_or_else(|| "bitrouter".to_owned(), |path| shell::quoted(&path.display().to_string()));
    let _ = write!(
        out,
        "\n  Try it (the second line needs `python3 -m pip install openai`):\n\n\
         curl -s {base}/chat/completions -H 'Content-Type: application/json' \
         -d '{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello there\"}}]}}'\n\n\
         python3 -c \"from openai import OpenAI; print(OpenAI(base_url='{base}', api_key='bitrouter-local')\
         .chat.completions.create(model='{model}', messages=[{{'role': 'user', 'content': 'Hello there'}}])\
         .choices[0].message.content)\"\n\n\
         {program} status\n\n  Ctrl-C ends it.\n"
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitrouter_proto::status::{ProviderStatus, State};

    fn status(variable: Option<&str>) -> Status {
        let mut status = Status::silent(State::Running);
        status.listen = vec!["127.0.0.1:4356".to_owned(), "[::1]:4356".to_owned()];
        status.socket = Some("/run/user/1000/bitrouter/control.sock".to_owned());
        status.providers = vec![ProviderStatus {
            id: "openai".to_owned(),
            active: variable.is_some(),
            key_source: variable.map(|_| "environment".to_owned()),
            variable: variable.map(str::to_owned),
            detail: String::new(),
        }];
        status
    }

    #[test]
    fn it_names_the_variable_and_the_lines_to_paste() {
        let facts = Facts {
            base_url: "http://127.0.0.1:4356/v1",
            model: Some("openai/gpt-4o-mini"),
            own_path: Some(Path::new("/opt/my tools/bitrouter")),
        };
        let text = text(&status(Some("OPENAI_API_KEY")), facts);
        for expected in [
            "key from OPENAI_API_KEY",
            "/run/user/1000/bitrouter/control.sock",
            "curl -s http://127.0.0.1:4356/v1/chat/completions",
            "pip install openai",
            "\n'/opt/my tools/bitrouter' status\n",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        assert!(!text.contains("No provider key"));
    }

    #[test]
    fn without_a_key_it_says_what_to_do() {
        let facts = Facts { base_url: "http://127.0.0.1:4356/v1", model: None, own_path: None };
        let text = text(&status(None), facts);
        assert!(
            text.contains("bitrouter reload") && text.contains("serve --demo") && text.contains("\nbitrouter status\n")
        );
    }
}
