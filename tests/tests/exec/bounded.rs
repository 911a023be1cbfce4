//! What a command cannot do: spend more, call other models, mint, reach another namespace, or outlive its run.

use bitrouter_tests::{End, Gate, Reply, World, wait};
use serde_json::json;

use crate::rig::{COUNTED, Rig, document, endless};

/// One call for each line, and the status that it got.
const CALLS: &str = r#"
status() { curl -s -o /dev/null -w '%{http_code}\n' -H "Authorization: Bearer $OPENAI_API_KEY" -H 'Content-Type: application/json' "$@"; }
chat() { status "$OPENAI_BASE_URL/chat/completions" -d "{\"model\":\"$1\",\"max_tokens\":10,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"; }
"#;

fn statuses(stdout: &str) -> Vec<&str> {
    stdout.lines().collect()
}

#[test]
fn a_command_that_overspends_is_refused_and_told_of_in_the_end() {
    let rig = Rig::on();
    // Two calls are paid for, and a third is not reserved any more.
    let budget = "0.004";
    let script = format!("{CALLS} chat acme:m; chat acme:m; chat acme:m; chat acme:m; exit 5");
    let output = rig.run(&["--json", "--budget-usd", budget], &script).with_code(5);
    assert_eq!(statuses(&output.stdout), ["200", "200", "402", "402"], "{}", output.stderr);
    assert_eq!(output.stderr.lines().count(), 1, "one document: {}", output.stderr);
    let told = document(&output.stderr);
    assert_eq!((&told["requests"], &told["cost_micro_usd"]), (&json!(2), &json!(2 * COUNTED)), "{told}");
    assert_eq!((&told["input_tokens"], &told["output_tokens"]), (&json!(200), &json!(20)), "{told}");
    assert_eq!(told["models"][0]["model"], "acme/m", "{told}");
    assert_eq!(told["refused"], json!([{"code": "budget_exceeded", "count": 2}]), "{told}");
    assert_eq!((&told["revoked"], &told["exit_code"]), (&json!(true), &json!(5)), "{told}");
    assert_eq!(told["budget_micro_usd"], 4_000, "{told}");
    assert!(told["cost_micro_usd"].as_i64() <= told["budget_micro_usd"].as_i64(), "{told}");
    rig.until_all_is_over();
}

#[test]
fn a_command_calls_the_models_that_it_may_mints_nothing_and_reaches_no_other_namespace() {
    let rig = Rig::on();
    let other = rig.world.cli(["node", "namespace", "create", "other", "--json"]).with_code(0).json();
    let other = other["id"].as_str().expect("an id").to_owned();
    let script = format!(
        "{CALLS} chat acme:m; chat acme:other; chat demo:echo
         root=${{OPENAI_BASE_URL%/v1}}
         status $root/v1/namespaces/me/keys -d '{{\"display_name\":\"x\",\"scopes\":[\"inference:invoke\"]}}'
         status $root/v1/namespaces/{other}/keys
         status $root/v1/namespaces/{other}/usage
         status $root/v1/node/usage"
    );
    let output = rig.run(&["--json", "--models", "acme/m", "demo/*"], &script).with_code(0);
    assert_eq!(statuses(&output.stdout), ["200", "403", "200", "403", "404", "404", "403"], "{}", output.stderr);
    let told = document(&output.stderr);
    assert_eq!(told["model_allow"], json!(["acme/m", "demo/*"]));
    let refused = told["refused"].as_array().expect("refusals");
    assert!(refused.contains(&json!({"code": "model_denied", "count": 1})), "{told}");
    assert!(refused.contains(&json!({"code": "not_found", "count": 2})), "{told}");
    rig.until_all_is_over();
}

#[test]
fn a_key_does_not_outlive_its_run_and_open_calls_are_cut() {
    let rig = Rig::on();
    let held = rig.begin(&["--budget-usd", "1.00"]);
    assert_eq!(rig.call(&held.key).status, 200);
    rig.provider.always(endless);
    let body = json!({"model": "acme:m", "stream": true, "messages": [{"role": "user", "content": "hello"}]});
    let stream = || rig.http().post("/v1/chat/completions").json(body.to_string()).bearer(&held.key);
    let mut open = stream().open();
    open.until_contains("word");
    let upstream = rig.provider.last();
    // One that waits for its first byte.
    rig.provider.always(|_| Reply::nothing().gate(&Gate::new()));
    let http = rig.http();
    let (waits, key) = (body.to_string(), held.key.clone());
    let before = rig.provider.count();
    let waiting = std::thread::spawn(move || http.post("/v1/chat/completions").json(waits).bearer(&key).send());
    wait::holds("the second call", || rig.provider.count() > before);

    let key = held.key.clone();
    let (code, stderr) = held.end();
    assert_eq!(code, 7, "{stderr}");
    let answer = open.finish();
    assert!(answer.text().contains("\"invalid_api_key\"") && !answer.text().contains("[DONE]"), "{}", answer.text());
    assert_eq!(answer.end, End::Complete, "a stream ends with its error event");
    upstream.wait_left();
    assert_eq!(waiting.join().expect("a caller").status, 401);
    rig.call(&key).refused(401, "invalid_api_key");
    assert!(stderr.contains("3 requests") && stderr.contains("the key is revoked"), "{stderr}");
    rig.until_all_is_over();
}

#[test]
fn a_key_expires_and_the_command_goes_on() {
    let rig = Rig::on();
    let held = rig.begin(&["--for", "2s"]);
    assert_eq!(rig.call(&held.key).status, 200);
    wait::holds("the end of the key", || !rig.opens(&held.key));
    held.process.stderr().until_contains("its time is over");
    rig.until_all_is_over();
    let (code, stderr) = held.end();
    assert_eq!(code, 7, "{stderr}");
    assert!(stderr.contains("1 request, "), "{stderr}");
}

#[test]
fn somebody_revokes_the_key_and_the_command_is_told() {
    let rig = Rig::on();
    let held = rig.begin(&[]);
    rig.provider.always(endless);
    let body = json!({"model": "acme:m", "stream": true, "messages": [{"role": "user", "content": "hello"}]});
    let mut open = rig.http().post("/v1/chat/completions").json(body.to_string()).bearer(&held.key).open();
    open.until_contains("word");
    let id = rig.keys()[0]["id"].as_str().expect("an id").to_owned();
    rig.world.cli(["cloud", "keys", "revoke", &id, "--local"]).expect_code(0);
    rig.provider.last().wait_left();
    assert!(open.finish().text().contains("invalid_api_key"));
    held.process.stderr().until_contains("it was revoked");
    assert_eq!(held.end().0, 7);
}

#[test]
fn a_stream_that_is_cut_ends_in_the_grammar_of_its_dialect() {
    let rig = Rig::on();
    let held = rig.begin(&[]);
    let calls = [
        ("/v1/messages", json!({"model": "acme:m", "max_tokens": 10, "stream": true, "messages": []})),
        ("/v1/responses", json!({"model": "acme:m", "stream": true, "input": "hello"})),
    ];
    let mut open = Vec::new();
    for (path, body) in calls {
        rig.provider.always(move |_| {
            let begun = if path == "/v1/messages" {
                let event = json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant",
                    "model": "m", "content": [], "usage": {"input_tokens": 5, "output_tokens": 1}}});
                format!("event: message_start\ndata: {event}\n\n")
            } else {
                let event = json!({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1",
                    "object": "response", "status": "in_progress", "model": "m", "output": []}});
                format!("event: response.created\ndata: {event}\n\n")
            };
            Reply::stream().piece(begun).gate(&Gate::new())
        });
        let mut stream = rig.http().post(path).json(body.to_string()).bearer(&held.key).open();
        stream.until_contains("data: ");
        open.push(stream);
    }
    held.end();
    let texts: Vec<String> = open.into_iter().map(|stream| stream.finish().text()).collect();
    assert!(texts[0].contains("event: error") && texts[0].contains("invalid_api_key"), "{}", texts[0]);
    assert!(texts[1].contains("response.failed") && texts[1].contains("invalid_api_key"), "{}", texts[1]);
}

#[test]
fn what_bounds_nothing_is_refused_before_anything_runs() {
    let world = World::new();
    for flags in [["--budget-usd", "0"], ["--budget-usd", "x"], ["--for", "0s"], ["--for", "soon"]] {
        let words = [&["exec"], &flags[..], &["--", "touch", "ran"]].concat();
        world.command(words).run().expect_code(1);
    }
    world.cli(["exec", "--budget-usd", "1.00"]).expect_code(1);
    assert!(!world.path("home/ran").exists());
    let rig = Rig::on();
    let output = rig.run(&["--namespace", "nowhere"], "touch ran").with_code(1);
    assert!(output.stderr.contains("nowhere"), "{}", output.stderr);
    let output = rig.run(&["--models", ""], "touch ran").with_code(1);
    assert!(output.stderr.contains("model_allow"), "{}", output.stderr);
    assert!(!rig.world.path("home/ran").exists() && rig.keys().is_empty());
}

#[test]
fn a_run_in_another_namespace_is_that_ones() {
    let rig = Rig::on();
    rig.world.cli(["node", "namespace", "create", "work"]).expect_code(0);
    let held = rig.begin(&["--namespace", "work"]);
    assert_eq!(rig.call(&held.key).status, 200);
    assert!(rig.keys().is_empty(), "it is none of the first one's");
    let listed = rig.world.cli(["cloud", "keys", "list", "--local", "--namespace", "work", "--json"]);
    assert_eq!(listed.with_code(0).json()["data"][0]["display_name"], "exec sh");
    assert_eq!(held.end().0, 7);
}
