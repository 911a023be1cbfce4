//! Signs a program in as a person does: the program asks for a code (RFC 8628), and the node's owner, whom a one-time link
//! of `bitrouter console` signs in, approves it on the page.

use serde_json::Value;

use crate::{Answer, Client, Daemon, World, http::Call};

/// A program that is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    /// `bra_…`.
    pub access_token: String,
    /// `brr_…`.
    pub refresh_token: String,
    /// `ns_…`.
    pub namespace: String,
}

/// The node's owner, or another person, with a web session.
#[derive(Clone, Debug)]
pub struct Owner {
    http: Client,
    cookie: String,
}

/// Signs a program in with `scopes`, for the first namespace that the page offers.
#[track_caller]
pub fn sign_in(world: &World, daemon: &Daemon, scopes: &[&str]) -> Session {
    Owner::sign_in(world, daemon).program(scopes, None)
}

/// A form as browsers send it.
pub fn form(call: Call, fields: &[(&str, &str)]) -> Call {
    let escaped = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect()
    };
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    call.header("content-type", "application/x-www-form-urlencoded").body(pairs.join("&"))
}

impl Owner {
    /// Signs the owner in by a link of `bitrouter console`.
    #[track_caller]
    pub fn sign_in(world: &World, daemon: &Daemon) -> Self {
        let link = world.cli(["console", "--no-open", "--json"]).with_code(0).json();
        let url = link["url"].as_str().expect("a URL");
        let (_, behind) = url.split_once("://").expect("a URL");
        let path = &behind[behind.find('/').expect("a path")..];
        let answer = daemon.http().get(path).send();
        Self { http: daemon.http(), cookie: cookie_of(&answer) }
    }

    /// Signs a person in with name and password.
    #[track_caller]
    pub fn with_password(daemon: &Daemon, name: &str, password: &str) -> Self {
        let answer = Self::tries(daemon, name, password);
        assert_eq!(answer.status, 303, "{}", answer.text());
        Self { http: daemon.http(), cookie: cookie_of(&answer) }
    }

    /// What the page for signing in answers to a name and a password.
    #[track_caller]
    pub fn tries(daemon: &Daemon, name: &str, password: &str) -> Answer {
        let page = daemon.http().get("/login").send();
        // The form has a cookie of its own.
        let nobody = Self { http: daemon.http(), cookie: cookie_of(&page) };
        let page = page.ok().text();
        let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
        nobody.post("/login", &[("csrf", csrf), ("username", name), ("password", password)])
    }

    /// Makes a person a member of the namespace with this id, on its page.
    #[track_caller]
    pub fn share(&self, namespace: &str, name: &str, role: &str) {
        let page = format!("/console/namespaces/{namespace}");
        let text = self.get(&page).ok().text();
        let csrf = between(&text, "name=\"csrf\" value=\"", "\"");
        let answer = self.post(&format!("{page}/members"), &[("csrf", csrf), ("name", name), ("role", role)]);
        assert_eq!(answer.status, 303, "{}", answer.text());
    }

    /// The cookie, as a browser sends it.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// A page.
    pub fn get(&self, path: &str) -> Answer {
        self.http.get(path).header("cookie", &self.cookie).send()
    }

    /// A posted form of ours.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let own = format!("http://{}", self.http.addr());
        let call = self.http.post(path).header("cookie", &self.cookie).header("origin", &own);
        form(call.header("sec-fetch-site", "same-origin"), fields).send()
    }

    /// Approves the code that a program shows, as the pages ask for it.
    #[track_caller]
    pub fn approve(&self, user_code: &str, scopes: &[&str], namespace: Option<&str>) {
        let page = self.get("/oauth/device").ok().text();
        let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
        let found = self.post("/oauth/device", &[("csrf", csrf), ("user_code", user_code)]);
        assert_eq!(found.status, 303, "{}", found.text());
        let consent = self.get(&format!("/oauth/device?user_code={user_code}")).ok().text();
        let id = match namespace {
            None => between(&consent, "<option value=\"", "\"").to_owned(),
            Some(name) => {
                let options = consent.split("<option value=\"").skip(1);
                let named = options.into_iter().find(|option| between(option, ">", "<") == name);
                named.and_then(|option| option.split('"').next()).expect("the namespace").to_owned()
            }
        };
        let mut fields = vec![
            ("csrf", between(&consent, "name=\"csrf\" value=\"", "\"")),
            ("user_code", user_code),
            ("namespace", &id),
            ("decision", "approve"),
        ];
        if consent.contains("name=\"own_device\"") {
            fields.push(("own_device", "yes"));
        }
        fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
        self.post("/oauth/device", &fields).ok();
    }

    /// Signs a program in with `scopes`, for the namespace with this name, else the first that the page offers.
    #[track_caller]
    pub fn program(&self, scopes: &[&str], namespace: Option<&str>) -> Session {
        self.program_of("bitrouter-cli", scopes, namespace)
    }

    /// The same of another public client.
    #[track_caller]
    pub fn program_of(&self, client_id: &str, scopes: &[&str], namespace: Option<&str>) -> Session {
        let asked = [("client_id", client_id), ("scope", &scopes.join(" "))];
        let code = form(self.http.post("/oauth/device_authorization"), &asked).send().ok().json();
        let user_code = code["user_code"].as_str().expect("a user code");
        self.approve(user_code, scopes, namespace);
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        let device_code = code["device_code"].as_str().expect("a device code");
        let fields = [("grant_type", grant), ("device_code", device_code), ("client_id", client_id)];
        let tokens = form(self.http.post("/oauth/token"), &fields).send().ok().json();
        let text = |name: &str| tokens[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {tokens}")).to_owned();
        Session {
            access_token: text("access_token"),
            refresh_token: text("refresh_token"),
            namespace: text("namespace_id"),
        }
    }
}

/// The first cookie that an answer sets, as a browser sends it back.
#[track_caller]
fn cookie_of(answer: &Answer) -> String {
    let set = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {} {}", answer.status, answer.text()));
    set.split(';').next().expect("a cookie").to_owned()
}

/// Ends the session of `token` (RFC 7009).
#[track_caller]
pub fn revoke(http: Client, token: &str) {
    form(http.post("/oauth/revoke"), &[("token", token), ("client_id", "bitrouter-cli")]).send().ok();
}

/// The member `error` of an error in the node's flat shape, whose other member is there too.
#[track_caller]
pub fn flat_error(answer: &Answer, status: u16) -> String {
    let json: Value = answer.json();
    assert_eq!(answer.status, status, "{json}");
    assert!(json["error_description"].as_str().is_some_and(|text| !text.is_empty()), "{json}");
    json["error"].as_str().unwrap_or_else(|| panic!("not flat: {json}")).to_owned()
}

/// What stands in `text` between the first `before` and the next `after`.
#[track_caller]
fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no `{before}` in {text}"));
    rest.split_once(after).map_or(rest, |(found, _)| found)
}
