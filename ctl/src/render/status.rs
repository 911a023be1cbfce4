//! The status for people: what runs, a table of the providers in use, and what needs a look.

use std::{fmt::Write as _, time::SystemTime};

use bitrouter_proto::{
    clock,
    status::{NO_KEY, NodeStatus, ProviderStatus, SessionStatus, Severity, State, Status, Warning},
};

use super::{
    span::{ago, span},
    style::{BAD, DIM, GOOD, HEADING, TYPED, WARNING, styled},
};

/// So many providers of one kind are named before the rest is counted.
const NAMED: usize = 4;

/// How to show a status.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    /// Every provider in the table, with everything that is known of its key.
    pub(crate) all: bool,
    /// What is written `~`.
    pub(crate) home: Option<&'a str>,
    /// The time that ages are told from.
    pub(crate) now: SystemTime,
}

/// The text (pure). Nothing in it is cut, however narrow the terminal is.
pub(crate) fn status_text(status: &Status, view: View<'_>) -> String {
    let mut out = headline(status);
    let mut row = |label: &str, text: &str| {
        let _ = writeln!(out, "  {label:<9}  {text}");
    };
    if !status.listen.is_empty() {
        row("listening", &status.base_urls().join("  "));
    }
    if let Some(socket) = &status.socket {
        row("control", socket);
    }
    if let Some(config) = &status.config {
        row("config", &view.shortened(config));
    }
    if let Some(node) = node_row(status) {
        row("node", &node);
    }
    if let Some(session) = session_row(status) {
        row("account", &session);
    }
    if status.reloads.count > 0 {
        let last = status.reloads.last_at.as_deref().and_then(|at| clock::age(at, view.now));
        let last = last.map(|age| format!(", the last {}", ago(age))).unwrap_or_default();
        row("reloads", &format!("{}{last}", status.reloads.count));
    }
    let (active, inactive): (Vec<_>, Vec<_>) = status.providers.iter().partition(|provider| provider.active);
    let rows: Vec<[String; 3]> = if view.all {
        active.iter().chain(&inactive).flat_map(|provider| rows_in_full(provider, view)).collect()
    } else {
        active.iter().map(|provider| short_row(provider, view)).collect()
    };
    out.push_str(&table(["PROVIDER", "KEY", "SOURCE"], &rows));
    let mut notes = if view.all { Vec::new() } else { folded(&inactive) };
    notes.extend(warnings(&status.warnings));
    // What was refused stands among the warnings, unless an older daemon leaves it out.
    if let Some(error) = &status.reloads.last_error
        && !status.warnings.iter().any(|warning| warning.message.contains(error.as_str()))
    {
        notes.push(format!("{} the last reload was refused: {error}", styled(BAD, "!")));
    }
    if !notes.is_empty() {
        out.push('\n');
    }
    for note in notes {
        let _ = writeln!(out, "  {note}");
    }
    out
}

impl View<'_> {
    /// `path` with `~` for the home directory.
    fn shortened(self, path: &str) -> String {
        let below = self.home.filter(|home| *home != "/").and_then(|home| path.strip_prefix(home));
        below.filter(|rest| rest.starts_with('/')).map_or_else(|| path.to_owned(), |rest| format!("~{rest}"))
    }
}

/// Where the node's console is, or why there is none. A daemon of before has no node, and says nothing of it.
fn node_row(status: &Status) -> Option<String> {
    let NodeStatus { state, detail, .. } = &status.node;
    match state.as_str() {
        "on" => Some(format!("on, console at {detail}")),
        _ if detail.is_empty() => None,
        // A warning says it with its cure.
        _ if status.warnings.iter().any(|warning| warning.message.contains(detail.as_str())) => Some(state.clone()),
        _ => Some(format!("{state}: {detail}")),
    }
}

/// Who is signed in, and where; nothing where nobody is.
fn session_row(status: &Status) -> Option<String> {
    let SessionStatus { state, issuer, namespace_id, reason, command, .. } = &status.session;
    let issuer = issuer.as_deref().unwrap_or("an unknown server");
    let told = |text: &str| status.warnings.iter().any(|warning| warning.message.contains(text));
    // A warning says why, with its cure.
    let why = reason.as_deref().filter(|reason| !told(reason)).map(|reason| format!(": {reason}")).unwrap_or_default();
    let cure = command.as_deref().filter(|_| reason.as_deref().is_none_or(|reason| !told(reason)));
    let cure = cure.map(|command| format!("; run: {}", styled(TYPED, command))).unwrap_or_default();
    match state.as_str() {
        "active" => {
            let namespace = namespace_id.as_deref().map(|id| format!(", namespace {id}")).unwrap_or_default();
            Some(format!("signed in at {issuer}{namespace}"))
        }
        "api_key" => Some(format!("API key for {issuer}{why}")),
        "ended" => Some(format!("the session at {issuer} has ended{why}{cure}")),
        _ if reason.is_some() => Some(format!("not signed in{why}{cure}")),
        _ => None,
    }
}

fn headline(status: &Status) -> String {
    let (style, mark) = match status.state {
        State::Running => (GOOD, '●'),
        State::Starting | State::Draining => (WARNING, '◐'),
        State::Stopped => (DIM, '○'),
        State::Unresponsive => (BAD, '✗'),
    };
    let mut out = format!("{} {}", styled(style, mark), styled(HEADING, "bitrouter"));
    if let Some(version) = &status.version {
        let _ = write!(out, " {version}");
    }
    let _ = write!(out, " {}", styled(style, status.state.as_str()));
    if let Some(pid) = status.pid {
        let _ = write!(out, " (pid {pid})");
    }
    if let Some(uptime) = status.uptime_s {
        let _ = write!(out, ", up {}", span(std::time::Duration::from_secs(uptime)));
    }
    out.push('\n');
    out
}

fn short_row(provider: &ProviderStatus, view: View<'_>) -> [String; 3] {
    let mut key = provider.variable.clone().unwrap_or_else(|| "-".to_owned());
    if let Some(suffix) = &provider.key_suffix {
        let _ = write!(key, " …{suffix}");
    }
    // A daemon of before has only the long form.
    let source = if provider.source.is_empty() { &provider.detail } else { &provider.source };
    [provider.id.clone(), key, view.shortened(source)]
}

/// A row for each thing that is known of the key.
fn rows_in_full(provider: &ProviderStatus, view: View<'_>) -> Vec<[String; 3]> {
    let [id, key, source] = short_row(provider, view);
    let first = if provider.active { source } else { first_part(&provider.detail).to_owned() };
    let rest = provider.detail.split("; ").skip(1).map(|part| [String::new(), String::new(), part.to_owned()]);
    std::iter::once([id, key, first]).chain(rest).collect()
}

fn first_part(detail: &str) -> &str {
    detail.split("; ").next().unwrap_or_default()
}

/// A table with a heading; nothing where it has no rows.
fn table(heading: [&str; 3], rows: &[[String; 3]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heading[column].chars().count()]).max().unwrap_or_default()
    };
    let (first, second) = (width(0), width(1));
    let head = format!("{:<first$}  {:<second$}  {}", heading[0], heading[1], heading[2]);
    let mut out = format!("\n  {}\n", styled(HEADING, head));
    for [id, key, source] in rows {
        let _ = writeln!(out, "  {id:<first$}  {key:<second$}  {source}");
    }
    out
}

/// The providers that are not in use, in a line for each reason.
fn folded(inactive: &[&ProviderStatus]) -> Vec<String> {
    let named = |label: &str, ids: &[&str]| {
        let more = match ids.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{label}: {}{more}", ids.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "))
    };
    let (no_key, other): (Vec<&ProviderStatus>, Vec<&ProviderStatus>) =
        inactive.iter().partition(|provider| provider.source == NO_KEY);
    let groups = [("no key", no_key), ("not in use", other)];
    let mut lines: Vec<String> = groups
        .into_iter()
        .filter(|(_, providers)| !providers.is_empty())
        .map(|(label, providers)| named(label, &providers.iter().map(|p| p.id.as_str()).collect::<Vec<_>>()))
        .collect();
    if let Some(last) = lines.last_mut() {
        let _ = write!(last, " ({})", styled(TYPED, "bitrouter status --all"));
    }
    lines
}

/// A line for each warning, and one for its cure where the text does not name it.
fn warnings(warnings: &[Warning]) -> Vec<String> {
    let mut lines = Vec::new();
    for warning in warnings {
        let style = match warning.severity {
            Severity::Error => BAD,
            Severity::Warning => WARNING,
            Severity::Info => DIM,
        };
        lines.push(format!("{} {}", styled(style, '!'), warning.message));
        if let Some(command) = warning.command.as_deref().filter(|command| !warning.message.contains(*command)) {
            lines.push(format!("  run: {}", styled(TYPED, command)));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn provider(id: &str, variable: Option<&str>, source: &str, detail: &str) -> ProviderStatus {
        ProviderStatus {
            id: id.to_owned(),
            active: variable.is_some() || id == "demo",
            key_source: None,
            variable: variable.map(str::to_owned),
            key_suffix: None,
            detail: detail.to_owned(),
            source: source.to_owned(),
        }
    }

    fn running() -> Status {
        let mut status = Status::silent(State::Running);
        status.pid = Some(4242);
        status.uptime_s = Some(7_980);
        status.version = Some("0.1.0".to_owned());
        status.listen = vec!["127.0.0.1:4356".to_owned(), "[::1]:4356".to_owned()];
        status.socket = Some("/run/user/1000/bitrouter/control.sock".to_owned());
        status.providers = vec![
            provider(
                "anthropic",
                Some("ANTHROPIC_API_KEY"),
                "pushed from terminal 1490, over the environment's",
                "`ANTHROPIC_API_KEY` from terminal 1490; `ANTHROPIC_API_KEY` from the daemon's own environment is shadowed",
            ),
            provider("openai", Some("OPENAI_API_KEY"), "/home/u/.config/bitrouter/env", ""),
            provider("demo", None, "built in", ""),
        ];
        let missing = ["deepseek", "fireworks", "google", "groq", "mistral", "xai"];
        let detail = "no key: set `X_API_KEY`";
        status.providers.extend(missing.map(|id| provider(id, None, NO_KEY, detail)));
        status.providers.push(provider("ollama", None, "does not answer", "local: nothing answers at its address"));
        status.warnings = vec![Warning {
            code: "x".to_owned(),
            severity: Severity::Warning,
            message: "`OPENAI_API_KEY` from terminal 1490 is ignored: it holds a character that no header can carry"
                .to_owned(),
            since: String::new(),
            command: None,
        }];
        status
    }

    fn shown(status: &Status, all: bool) -> String {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let text = status_text(status, View { all, home: Some("/home/u"), now });
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn r5_03_a_running_daemon_reads_as_a_table() {
        let expected = "\
● bitrouter 0.1.0 running (pid 4242), up 2 h 13 min
  listening  http://127.0.0.1:4356/v1  http://[::1]:4356/v1
  control    /run/user/1000/bitrouter/control.sock

  PROVIDER   KEY                SOURCE
  anthropic  ANTHROPIC_API_KEY  pushed from terminal 1490, over the environment's
  openai     OPENAI_API_KEY     ~/.config/bitrouter/env
  demo       -                  built in

  no key: deepseek, fireworks, google, groq and 2 more
  not in use: ollama (bitrouter status --all)
  ! `OPENAI_API_KEY` from terminal 1490 is ignored: it holds a character that no header can carry
";
        assert_eq!(shown(&running(), false), expected);
    }

    #[test]
    fn the_last_characters_of_a_key_tell_one_from_another() {
        let mut status = running();
        status.providers[1].key_suffix = Some("wxyz".to_owned());
        let text = shown(&status, false);
        assert!(text.contains("\n  openai     OPENAI_API_KEY …wxyz  ~/.config/bitrouter/env\n"), "{text}");
    }

    #[test]
    fn r5_03_everything_is_shown_on_demand() {
        let mut status = running();
        status.providers[0].key_suffix = Some("wxyz".to_owned());
        let text = shown(&status, true);
        for line in [
            "  anthropic  ANTHROPIC_API_KEY …wxyz  pushed from terminal 1490, over the environment's",
            "                                      `ANTHROPIC_API_KEY` from the daemon's own environment is shadowed",
            "  xai        -                        no key: set `X_API_KEY`",
            "  ollama     -                        local: nothing answers at its address",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
    }

    #[test]
    fn r5_07_a_refused_reload_is_told_once_and_ages_are_told_beside_each_other() {
        let mut status = running();
        status.reloads.count = 2;
        status.reloads.last_at = Some("1970-01-01T00:11:40.000Z".to_owned());
        status.reloads.last_error = Some("config.toml:3: what".to_owned());
        let text = shown(&status, false);
        assert!(text.contains("  reloads    2, the last 5 min ago\n"), "{text}");
        assert_eq!(text.matches("config.toml:3: what").count(), 1, "{text}");
        status.warnings[0].message = "the last reload was refused: config.toml:3: what".to_owned();
        assert_eq!(shown(&status, false).matches("config.toml:3: what").count(), 1);
    }

    #[test]
    fn the_node_says_where_its_console_is_or_why_it_is_off() {
        let mut status = running();
        let mut shown_as = |state: &str, detail: &str| {
            let node = NodeStatus { state: state.to_owned(), detail: detail.to_owned(), ..NodeStatus::default() };
            status.node = node;
            let text = shown(&status, false);
            text.lines().find(|line| line.starts_with("  node")).map(str::to_owned)
        };
        let on = Some("  node       on, console at http://127.0.0.1:4356/console".to_owned());
        assert_eq!(shown_as("on", "http://127.0.0.1:4356/console"), on);
        assert_eq!(shown_as("off", "why"), Some("  node       off: why".to_owned()));
        assert_eq!(
            shown_as("off", "a character that no header"),
            Some("  node       off".to_owned()),
            "once is enough"
        );
        assert_eq!(shown_as("off", ""), None);
    }

    #[test]
    fn the_account_says_where_it_is_signed_in_or_that_it_has_ended() {
        let mut status = running();
        let mut shown_as = |state: &str, reason: Option<&str>, command: Option<&str>| {
            let text = |text: &str| Some(text.to_owned());
            let (reason, command) = (reason.and_then(text), command.and_then(text));
            status.session = SessionStatus {
                state: state.to_owned(),
                issuer: text("https://api.example"),
                namespace_id: text("ns_1"),
                expires_at: None,
                reason,
                command,
            };
            let text = shown(&status, false);
            text.lines().find_map(|line| line.strip_prefix("  account    ")).map(str::to_owned)
        };
        let active = shown_as("active", None, None);
        assert_eq!(active.as_deref(), Some("signed in at https://api.example, namespace ns_1"));
        assert_eq!(shown_as("api_key", None, None).as_deref(), Some("API key for https://api.example"));
        let ended = shown_as("ended", Some("it was revoked"), Some("bitrouter auth login"));
        let expected = "the session at https://api.example has ended: it was revoked; run: bitrouter auth login";
        assert_eq!(ended.as_deref(), Some(expected));
        let told = shown_as("ended", Some("a character that no header"), Some("bitrouter auth login"));
        assert_eq!(told.as_deref(), Some("the session at https://api.example has ended"), "once is enough");
        let bad = shown_as("none", Some("`/d/f` is no credential"), None);
        assert_eq!(bad.as_deref(), Some("not signed in: `/d/f` is no credential"));
        assert_eq!(shown_as("none", None, None), None);
    }

    #[test]
    fn no_daemon_is_one_line() {
        assert_eq!(shown(&Status::silent(State::Stopped), false), "○ bitrouter stopped\n");
    }
}
