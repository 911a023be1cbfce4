//! `auth login` in a terminal: what somebody sees who sits before it.

use bitrouter_tests::{World, issuer::Issuer, process::shell_code, shared_files, terminal::Terminal, wait};
use serde_json::json;

#[test]
fn on_a_terminal_the_link_is_drawn_too_and_opened_in_a_browser() {
    let world = World::new();
    world.config("[node]\nenabled = false\n");
    let daemon = world.demo();
    let issuer = Issuer::start(world.user(), 3_600);
    let opened = world.path("opened");
    let script = format!("#!/bin/sh\nprintf %s \"$1\" > {0}.new && mv {0}.new {0}\n", opened.display());
    let browser = world.write_mode("browser", script, 0o755).display().to_string();
    let url = format!("{}/oauth/device?user_code=BCDF-GHJK", issuer.url());
    let words = ["auth", "login", "--oauth-as", &issuer.url()];
    let seen = [("BROWSER", browser.as_str()), ("DISPLAY", ":9")];
    // Over ssh, without a display, and told not to, none is opened.
    let over_ssh = [seen[0], seen[1], ("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")];
    let without = [words.as_slice(), &["--no-browser"]].concat();
    for (words, environment) in [(&words[..], &over_ssh[..]), (&words, &seen[..1]), (&without, &seen)] {
        let mut window = Terminal::open(&world, shared_files::binary(), words, environment);
        window.until_contains("Waiting for authorization (the code expires in ");
        let text = window.text();
        assert!(text.contains(&format!("Open this URL in your browser:\r\n  {url}\r\n")), "{text}");
        assert!(text.contains('█') && text.contains('▀') && !text.contains("Code:"), "{text}");
        window.enter("\u{3}");
        assert_eq!(shell_code(window.wait(wait::PATIENCE)), 130);
        assert!(!opened.exists(), "{words:?}");
    }
    issuer.approve();
    let mut window = Terminal::open(&world, shared_files::binary(), &words, &seen);
    assert_eq!(shell_code(window.wait(wait::PATIENCE)), 0);
    assert!(window.until_quiet().contains("Signed in at "), "{}", window.text());
    wait::holds("the browser", || opened.exists());
    assert_eq!(std::fs::read_to_string(opened).expect("an address"), url);
    daemon.stop();
}

#[test]
fn a_link_that_no_browser_should_open_is_not_shown() {
    let world = World::new();
    world.config("[node]\nenabled = false\n");
    let daemon = world.demo();
    let issuer = Issuer::start(world.user(), 3_600);
    issuer.codes(600, 1);
    for url in ["javascript:alert(1)", "http://far.example/oauth/device", "https://a@far.example/"] {
        let reply = json!({
            "device_code": "d", "user_code": "BCDF-GHJK", "verification_uri": url, "verification_uri_complete": url,
            "expires_in": 600, "interval": 5,
        });
        issuer.next_poll(bitrouter_tests::Reply::json(200, reply.to_string()));
        let told = world.cli(["auth", "login", "--oauth-as", &issuer.url()]).with_code(3);
        assert!(told.stderr.contains("is not shown") && !told.stderr.contains(url), "{}", told.stderr);
    }
    daemon.stop();
}
