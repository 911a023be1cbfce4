//! P7 and P8 in a real browser: a person signs in, looks at what a terminal asks for, approves or denies; other sites try.
//! What each scene does stands in `tests/node/pages.mjs`. Pictures of every page are left in `pages/` beside the binary.

use std::{path::PathBuf, time::Duration};

use bitrouter_tests::{Daemon, Provider, Reply, World, sdk, sign_in::Owner};

const NAME: &str = "Ada Lovelace";
const PATIENCE: Duration = Duration::from_mins(8);

/// A daemon with a person, and what a browser needs.
struct Cast {
    world: World,
    daemon: Daemon,
    password: String,
}

impl Cast {
    fn new(settings: &str) -> Self {
        Self::in_world(World::new(), settings)
    }

    fn in_world(world: World, settings: &str) -> Self {
        world.config(settings);
        let daemon = world.serve().start();
        let password = world.canary("password");
        world
            .command(["node", "user", "add", NAME, "--password-stdin"])
            .stdin(format!("{password}\n"))
            .run()
            .expect_code(0);
        Self { world, daemon, password }
    }

    /// Plays scenes in the browser, and keeps the pictures.
    #[track_caller]
    fn play(&self, scenes: &[&str]) {
        self.play_with("", scenes);
    }

    /// The same, with what somebody pastes.
    #[track_caller]
    fn play_with(&self, pasted: &str, scenes: &[&str]) {
        let base = format!("http://127.0.0.1:{}", self.daemon.port());
        let pictures = self.world.directory("home/pictures");
        let shown = pictures.to_string_lossy().into_owned();
        let args: Vec<&str> =
            [&*base, &shown, NAME, &self.password].into_iter().chain(scenes.iter().copied()).collect();
        let temporary = self.world.directory("browser");
        let run = sdk::node_script(&self.world, "pages.mjs", &args).env("TMPDIR", &temporary);
        let run = run.env("CANARY_KEY", pasted).within(PATIENCE).run();
        keep(&pictures);
        let output = run.with_code(0);
        let wanted: Vec<String> =
            scenes.iter().map(|scene| format!("ok {}", scene.split('=').next().unwrap_or(scene))).collect();
        assert_eq!(output.stdout.lines().collect::<Vec<_>>(), wanted);
    }
}

/// Copies the pictures to where they are looked at.
fn keep(pictures: &std::path::Path) {
    let me = std::env::current_exe().expect("own path");
    let place: PathBuf = me.ancestors().nth(2).expect("the profile's directory").join("pages");
    std::fs::create_dir_all(&place).expect("a place for the pictures");
    for picture in std::fs::read_dir(pictures).expect("pictures").flatten() {
        std::fs::copy(picture.path(), place.join(picture.file_name())).expect("a copy");
    }
}

#[test]
fn p07_a_person_signs_a_terminal_in() {
    Cast::new("").play(&["whole", "typed", "reused", "two"]);
}

#[test]
fn p07_denied_is_denied_also_after_going_back() {
    Cast::new("").play(&["denied"]);
}

#[test]
fn p07_a_code_ends_while_somebody_still_thinks() {
    Cast::new("[node.oauth]\ndevice_code_ttl = \"20s\"\n").play(&["expired"]);
}

#[test]
fn p08_who_asks_from_elsewhere_is_approved_only_with_a_tick() {
    Cast::new("").play(&["elsewhere"]);
}

#[test]
fn p06_other_sites_decide_nothing() {
    Cast::new("").play(&["foreign"]);
}

#[test]
fn every_page_can_be_used_by_everybody() {
    Cast::new("").play(&["locked", "pictures", "console"]);
}

#[test]
fn n46_a_key_that_is_pasted_is_sealed_in_the_browser() {
    let (world, provider) = (World::new(), Provider::start());
    let manifest = format!(
        "id = \"acme\"\nkind = \"first_party\"\nendpoint = \"{}\"\nprotocol = [\"chat_completions\"]\n\
         [payment]\nmodes = [\"byok\"]\n[[models]]\nid = \"m\"\n",
        provider.base_url()
    );
    world.write("config/bitrouter/registry/acme.toml", manifest);
    provider.always(|_| Reply::json(200, r#"{"id":"c","object":"chat.completion","choices":[]}"#));
    let cast = Cast::in_world(world, "");
    let key = cast.world.canary("pasted");
    cast.play_with(&key, &["keys"]);
    let program = Owner::with_password(&cast.daemon, NAME, &cast.password).program(&["inference:invoke"], None);
    let call = || cast.daemon.http().chat("acme:m", "hello").bearer(&program.access_token).send();
    call().ok();
    assert_eq!(provider.last().request.key(), Some(key.as_str()), "our node opens what the page has sealed");
    cast.play(&["revoked"]);
    call().refused(402, "provider_key_missing");
    cast.daemon.stop();
}

#[test]
fn a_link_of_the_console_signs_in_once() {
    let cast = Cast::new("");
    let made = cast.world.cli(["console", "--no-open", "--json"]).with_code(0).json();
    let url = made["url"].as_str().expect("a link");
    cast.play(&[&format!("link={url}")]);
}

#[test]
fn p08_a_program_of_the_web_signs_a_person_in_with_a_code() {
    let cast = Cast::new("");
    // The person is not the owner, and the client asks the people of the owner's namespace.
    cast.world.cli(["node", "member", "add", "default", NAME, "--role", "member"]).expect_code(0);
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("its number").port().to_string();
    drop(free);
    let redirect = format!("http://localhost:{port}/cb");
    let register = ["cloud", "oauth-client", "register", "--local", "--name", "my-agent", "--type", "confidential"];
    let grants = ["--grant", "authorization_code", "--grant", "refresh_token"];
    let scopes = ["--scope", "inference:invoke usage:read", "--redirect-uri", &redirect, "--json"];
    let made = cast.world.cli(register.into_iter().chain(grants).chain(scopes)).with_code(0).json();
    let text = |name: &str| made[name].as_str().expect("a text");
    let issuer = format!("http://127.0.0.1:{}", cast.daemon.port());
    let args = [&*issuer, text("client_id"), text("client_secret"), &port];
    let mut client = sdk::script(&cast.world, "authlib_code.py", &args).spawn();
    client.stdout().until_contains("ready");
    cast.play(&[&format!("code=http://localhost:{port}/")]);
    assert!(client.wait(PATIENCE).success(), "{}", client.stderr().text());
}
