//! `top`: which programs call which models, once, again and again, and in a window.

use std::time::Duration;

use bitrouter_tests::{Provider, Reply, World, shared_files, terminal::Terminal, wait};
use rustix::process::Signal;
use serde_json::{Value, json};

fn once(world: &World) -> Value {
    world.cli(["top", "--once", "--json"]).with_code(0).json()
}

#[test]
fn calls_that_ended_are_summed_by_model() {
    let world = World::new();
    let daemon = world.demo();
    daemon.until_node_is_on();
    assert_eq!(once(&world)["data"], json!([]));
    for _ in 0..3 {
        daemon.http().chat("demo/echo", "three little words").send().ok();
    }
    let told = once(&world);
    assert!(told["window_s"].as_u64().is_some_and(|window| (1..=60).contains(&window)), "{told}");
    let row = &told["data"][0];
    assert_eq!(
        (&row["model"], &row["requests"], &row["tokens_out"]),
        (&json!("demo/echo"), &json!(3), &json!(9)),
        "{told}"
    );
    assert!(row["tokens_in"].as_u64() > Some(0) && row["tokens_per_second"].as_f64() > Some(0.0), "{told}");
    assert!(row["cost_micro_usd"].as_i64() > Some(0), "{told}");
    for member in ["pid", "executable", "directory", "git_branch"] {
        assert!(row.get(member).is_some(), "`{member}` is missing in {row}");
    }
    let text = world.cli(["top", "--once"]).with_code(0).stdout;
    assert!(text.lines().count() == 1 && text.contains("\tdemo/echo\t3\t"), "{text}");
    daemon.stop();
}

#[test]
fn what_nobody_prices_has_no_cost() {
    let world = World::new();
    world.config("[node]\nenabled = false\n");
    let daemon = world.demo();
    daemon.http().chat("demo/echo", "one").send().ok();
    let row = &once(&world)["data"][0];
    assert_eq!((&row["requests"], &row["tokens_out"], &row["cost_micro_usd"]), (&json!(1), &json!(1), &Value::Null));
    daemon.stop();
}

#[test]
fn a_program_that_calls_is_named_with_its_directory_and_branch() {
    let world = World::new();
    let provider = Provider::start();
    world.config(&provider.as_openai());
    let daemon = world.serve().env("OPENAI_API_KEY", world.canary("openai")).start();
    let place = world.directory("home/agent/src");
    world.write("home/agent/.git/HEAD", "ref: refs/heads/feature/x\n");
    provider.next(Reply::stream().token("word").stall());
    let body = r#"{"model":"openai:m","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let url = format!("{}/chat/completions", daemon.base_url());
    let arguments = ["-sSN", "-H", "content-type: application/json", "-d", body, url.as_str()];
    let mut caller = world.program("/usr/bin/curl".as_ref(), arguments).in_directory(&place).spawn();
    caller.stdout().until_contains("word");
    let told = once(&world);
    let row = &told["data"][0];
    assert_eq!((&row["model"], &row["requests"]), (&json!("openai/m"), &json!(1)), "{told}");
    assert_eq!(row["pid"], caller.pid(), "{told}");
    assert!(row["executable"].as_str().is_some_and(|path| path.ends_with("/curl")), "{told}");
    assert_eq!(row["directory"], place.canonicalize().expect("a path").display().to_string());
    assert_eq!(row["git_branch"], "feature/x");
    // Who was looked up is still known when it is gone; who was not, is not.
    caller.kill();
    wait::holds("the call's end", || once(&world)["data"][0]["pid"] == caller.pid());
    provider.next(Reply::json(200, r#"{"choices":[]}"#));
    let plain = body.replace("true", "false");
    let quick = ["-sS", "-H", "content-type: application/json", "-d", plain.as_str(), url.as_str()];
    world.program("/usr/bin/curl".as_ref(), quick).run().expect_code(0);
    let told = once(&world);
    let unknown = told["data"].as_array().expect("rows").iter().find(|row| row["pid"].is_null());
    assert!(unknown.is_some_and(|row| row["executable"].is_null() && row["requests"] == 1), "{told}");
    daemon.stop();
}

#[test]
fn in_a_pipe_it_goes_on_table_after_table() {
    let world = World::new();
    let daemon = world.demo();
    daemon.http().chat("demo/echo", "one").send().ok();
    let mut lines = world.command(["top", "--json"]).spawn();
    let told = lines.stdout().until("two documents", |text| text.lines().count() >= 2);
    for line in told.lines().take(2) {
        let document: Value = serde_json::from_str(line).expect("a document a line");
        assert_eq!(document["data"][0]["model"], "demo/echo");
    }
    // `kill -HUP $(pgrep bitrouter)` also hits us.
    lines.signal(Signal::HUP);
    let seen = lines.stdout().text().lines().count();
    lines.stdout().until("more after a hang-up", |text| text.lines().count() > seen + 1);
    let tables = world.command(["top"]).spawn();
    tables.stdout().until("two tables", |text| text.matches("demo/echo").count() >= 2 && text.contains("\n\n"));
    daemon.stop();
    assert_eq!(lines.wait(Duration::from_secs(20)).code(), Some(0), "{}", lines.stderr().text());
}

#[test]
fn in_a_window_it_redraws_in_place_and_leaves_it_as_it_was() {
    let world = World::new();
    let daemon = world.demo();
    daemon.http().chat("demo/echo", "one").send().ok();
    for (typed, code) in [("q", 0), ("\u{3}", 130)] {
        let mut window = Terminal::open(&world, shared_files::binary(), &["top"], &[("TERM", "xterm")]);
        window.until_contains("\u{1b}[?1049h");
        window.until_contains("demo/echo");
        window.enter(typed);
        assert_eq!(window.wait(Duration::from_secs(20)).code(), Some(code), "{}", window.text());
        let text = window.until_quiet();
        assert!(text.contains("\u{1b}[?1049l") && text.contains("\u{1b}[?25h"), "{text:?}");
    }
    daemon.stop();
}

#[test]
fn without_a_daemon_it_says_so() {
    let world = World::new();
    let told = world.cli(["top", "--once", "--json"]).with_code(2);
    assert_eq!(told.error()["code"], "not_running");
}
