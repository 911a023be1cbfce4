//! What is said of a sign-in while it runs: to people on standard error, to programs as one JSON object a line.

use bitrouter_proto::{
    account::{Authentication, Identity},
    client::LoginCode,
    codes::exit,
};
use serde_json::{Value, json};

use crate::{
    exit::Failure,
    name::Name,
    render::{Printer, qr_text},
};

/// The widest QR code that is drawn, columns.
const WIDEST: usize = 80;
/// Narrower terminals would break the line that is replaced.
const NARROWEST: usize = 60;

/// How far a sign-in is, as far as it was told.
#[derive(Debug)]
pub(super) struct Progress {
    printer: Printer,
    /// Under the name `tokenroute` the lines are that program's own, on standard output.
    name: Name,
    /// The last line is not ended: the next one takes its place.
    is_line_open: bool,
    trouble: Trouble,
}

/// What goes wrong is told once when it begins, and once when it is over.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trouble {
    is_on: bool,
}

impl Trouble {
    fn turn(&mut self, now: Option<&str>) -> Option<String> {
        let was_on = std::mem::replace(&mut self.is_on, now.is_some());
        match (was_on, now) {
            (false, Some(what)) => Some(format!("note: {what}; trying again until the code expires")),
            (true, None) => Some("note: the server answers again".to_owned()),
            _ => None,
        }
    }
}

impl Progress {
    pub(super) fn new(printer: Printer, name: Name) -> Self {
        Self { printer, name, is_line_open: false, trouble: Trouble::default() }
    }

    /// Somebody has to approve; `link` is what [`link`] found.
    pub(super) fn code(&mut self, code: &LoginCode, link: &str) -> Result<(), Failure> {
        self.printer.json_line(&json!({
            "event": "code",
            "verification_uri": code.verification_uri,
            "verification_uri_complete": code.verification_uri_complete,
            "user_code": code.user_code,
            "expires_in": code.expires_in,
        }))?;
        if self.name == Name::Tokenroute {
            return self.printer.stdout(&tokenroute_text(code, link));
        }
        for line in code_lines(code, link) {
            self.printer.stderr(&line);
        }
        if let Some(drawn) = self.printer.columns().and_then(|columns| qr_text(link, columns.min(WIDEST))) {
            self.printer.stderr(&drawn);
        }
        if self.is_live() {
            self.remaining(code.expires_in);
        } else {
            self.printer.stderr(&waiting_line(code.expires_in));
        }
        Ok(())
    }

    /// Nobody has yet.
    pub(super) fn waiting(&mut self, remaining_s: u64, trouble: Option<&str>) -> Result<(), Failure> {
        self.printer.json_line(&json!({ "event": "waiting", "remaining_s": remaining_s }))?;
        if let Some(note) = self.trouble.turn(trouble) {
            self.end_line();
            self.printer.stderr(&note);
        }
        if self.is_live() {
            self.remaining(remaining_s);
        }
        Ok(())
    }

    /// Somebody is signed in.
    pub(super) fn done(&mut self, identity: &Identity, put_aside: Option<&str>) -> Result<(), Failure> {
        self.end_line();
        self.printer.json_line(&done_json(identity))?;
        if let Some(path) = put_aside {
            self.printer.stderr(&format!("note: the credential file could not be used; it is now `{path}`"));
        }
        if self.name == Name::Tokenroute {
            return self.printer.stdout("OK logged in");
        }
        self.printer.stderr(&done_text(identity));
        Ok(())
    }

    /// Ends the line that would be replaced.
    pub(super) fn end_line(&mut self) {
        if std::mem::take(&mut self.is_line_open) {
            self.printer.stderr("");
        }
    }

    fn is_live(&self) -> bool {
        self.name == Name::Bitrouter
            && self.printer.can_replace
            && self.printer.columns().is_some_and(|columns| columns >= NARROWEST)
    }

    fn remaining(&mut self, seconds: u64) {
        self.is_line_open = true;
        self.printer.replace_line(&waiting_line(seconds));
    }
}

/// Where to approve: without typing where that can be.
///
/// # Errors
/// Where the server sent nothing that may be shown as a link.
pub(super) fn link(code: &LoginCode) -> Result<&str, Failure> {
    code.verification_uri_complete.as_deref().or(code.verification_uri.as_deref()).ok_or_else(|| {
        let message = "the server's link is neither https nor http to this machine, and is not shown";
        Failure { exit: exit::FAILURE, ..Failure::caller("server_failed", message) }
    })
}

fn code_lines(code: &LoginCode, link: &str) -> Vec<String> {
    let mut lines = vec!["Open this URL in your browser:".to_owned(), format!("  {link}")];
    if code.verification_uri_complete.is_none() {
        lines.push(format!("  Code: {}", code.user_code));
    }
    lines
}

/// What tokenroute prints.
fn tokenroute_text(code: &LoginCode, link: &str) -> String {
    let url = code.verification_uri.as_deref().unwrap_or(link);
    format!("Visit: {url}\nAnd enter code: {}\nWaiting for authorization...", code.user_code)
}

fn waiting_line(seconds: u64) -> String {
    format!("Waiting for authorization (the code expires in {seconds}s)…")
}

fn done_json(identity: &Identity) -> Value {
    json!({
        "event": "done",
        "signed_in": true,
        "namespace_id": identity.namespace_id,
        "scope": identity.scope,
        "credentials_path": identity.credentials_path,
    })
}

fn done_text(identity: &Identity) -> String {
    let (what, at) = match identity.authentication {
        Authentication::Oauth => ("session", &identity.base_url),
        Authentication::ApiKey => ("key", &identity.base_url),
    };
    let path = identity.credentials_path.as_deref().unwrap_or_default();
    let mut lines = vec![format!("Signed in at {at}; the {what} is kept in {path}")];
    let known = [("namespace", &identity.namespace_id), ("subject", &identity.subject), ("scope", &identity.scope)];
    lines.extend(known.into_iter().filter_map(|(name, value)| Some(format!("  {name}: {}", value.as_deref()?))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(complete: Option<&str>) -> LoginCode {
        LoginCode {
            verification_uri: Some("https://cloud.example/oauth/device".to_owned()),
            verification_uri_complete: complete.map(str::to_owned),
            user_code: "BCDF-GHJK".to_owned(),
            expires_in: 600,
        }
    }

    #[test]
    fn the_link_stands_alone_on_its_line_and_a_code_that_is_not_in_it_below() {
        let whole = code(Some("https://cloud.example/oauth/device?user_code=BCDF-GHJK"));
        let expected = ["Open this URL in your browser:", "  https://cloud.example/oauth/device?user_code=BCDF-GHJK"];
        assert_eq!(code_lines(&whole, link(&whole).unwrap()), expected);
        let bare = code(None);
        let expected = ["Open this URL in your browser:", "  https://cloud.example/oauth/device", "  Code: BCDF-GHJK"];
        assert_eq!(code_lines(&bare, link(&bare).unwrap()), expected);
        assert_eq!(waiting_line(600), "Waiting for authorization (the code expires in 600s)…");
        let none = LoginCode { verification_uri: None, ..bare };
        assert_eq!(link(&none).unwrap_err().exit, exit::FAILURE);
    }

    #[test]
    fn tokenroutes_own_lines_show_where_and_which_code() {
        let whole = code(Some("https://cloud.example/oauth/device?user_code=BCDF-GHJK"));
        let expected =
            "Visit: https://cloud.example/oauth/device\nAnd enter code: BCDF-GHJK\nWaiting for authorization...";
        assert_eq!(tokenroute_text(&whole, link(&whole).unwrap()), expected);
    }

    #[test]
    fn trouble_is_told_when_it_begins_and_when_it_is_over() {
        let mut trouble = Trouble::default();
        let told: Vec<Option<String>> =
            [None, Some("503"), Some("no route"), Some("503"), None, None].map(|now| trouble.turn(now)).into();
        let told: Vec<Option<&str>> = told.iter().map(Option::as_deref).collect();
        let begins = Some("note: 503; trying again until the code expires");
        assert_eq!(told, [None, begins, None, None, Some("note: the server answers again"), None]);
    }

    #[test]
    fn the_end_says_who_and_where() {
        let session = Identity {
            authentication: Authentication::Oauth,
            namespace_id: Some("ns_1".to_owned()),
            scope: Some("usage:read".to_owned()),
            credentials_path: Some("/d/f".to_owned()),
            variable: None,
            ..Identity::of_variable("", "https://api.example")
        };
        let expected =
            "Signed in at https://api.example; the session is kept in /d/f\n  namespace: ns_1\n  scope: usage:read";
        assert_eq!(done_text(&session), expected);
        let expected = json!({"event": "done", "signed_in": true, "namespace_id": "ns_1", "scope": "usage:read",
            "credentials_path": "/d/f"});
        assert_eq!(done_json(&session), expected);
    }
}
