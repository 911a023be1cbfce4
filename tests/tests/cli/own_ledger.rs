//! What the own node says of calls and credit: `cloud … --local` and `node …`, whoever is signed in.

use bitrouter_tests::{Daemon, World, shared_files, terminal::Terminal, wait};
use serde_json::{Value, json};

fn chat(daemon: &Daemon, id: &str) {
    drop(daemon.http().chat("demo/echo", "one two three").header("x-bitrouter-request-id", id).send().ok());
}

/// The rows of the own node, the newest first, once there are so many and none is open.
#[track_caller]
fn rows(world: &World, count: usize) -> Vec<Value> {
    wait::until("rows that are settled", || {
        let page = world.cli(["cloud", "requests", "--local", "--json"]).with_code(0).json();
        let rows = page["data"].as_array()?.clone();
        let is_whole = rows.len() >= count && rows.iter().all(|row| !row["completed_at"].is_null());
        is_whole.then_some(rows)
    })
}

#[test]
fn calls_of_the_own_node_are_listed_summed_shown_and_followed() {
    let world = World::new();
    let daemon = world.demo();
    let mut window = Terminal::open(&world, shared_files::binary(), &["cloud", "requests", "--local"], &[]);
    window.until_contains("no requests");
    window.wait(wait::PATIENCE);
    let follow = world.command(["cloud", "requests", "--local", "--follow", "--json"]).spawn();
    chat(&daemon, "call_1");
    follow.stdout().until_contains("call_1");
    chat(&daemon, "call_2");
    let text = follow.stdout().until_contains("call_2");
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
    let rows = rows(&world, 2);
    assert_eq!((&rows[0]["request_id"], &rows[1]["request_id"]), (&json!("call_2"), &json!("call_1")));
    assert_eq!(
        (&rows[0]["status"], &rows[0]["credential_id"]),
        (&json!("succeeded"), &json!("keyless")),
        "{}",
        rows[0]
    );
    let id = rows[0]["id"].as_str().expect("an id");
    let one = world.cli(["cloud", "requests", id, "--local", "--json"]).with_code(0).json();
    assert_eq!(one, rows[0]);
    let shown = world.cli(["cloud", "requests", id, "--local"]).with_code(0).stdout;
    assert!(shown.contains(id) && shown.contains("request id:        call_2\n"), "{shown}");
    let listed = world.cli(["cloud", "requests", "--local", "--limit", "1"]).with_code(0).stdout;
    assert!(listed.starts_with(&format!("{id}\tsucceeded\tdemo/echo\t")) && listed.lines().count() == 1, "{listed}");
    let absent = world.cli(["cloud", "requests", "req_00000000000000000000000000", "--local"]).with_code(1);
    assert!(absent.stderr.starts_with("error: "), "{}", absent.stderr);
    let usage = world.cli(["cloud", "usage", "--local", "--json"]).with_code(0).json();
    let sum = |name: &str| rows.iter().map(|row| row[name].as_i64().expect("a number")).sum::<i64>();
    assert_eq!(usage["request_count"], 2, "{usage}");
    assert_eq!(usage["spend_micro_usd"], sum("cost_micro_usd"), "{usage}");
    assert_eq!(usage["prompt_tokens"], sum("prompt_tokens"), "{usage}");
    let node = world.cli(["node", "usage", "--all", "--json"]).with_code(0).json();
    assert_eq!(node["data"][0]["spend_micro_usd"], usage["spend_micro_usd"], "{node}");
    let text = world.cli(["node", "usage"]).with_code(0).stdout;
    assert!(text.contains("\tdefault\t$"), "{text}");
    // Another namespace has none of it.
    world.cli(["node", "namespace", "create", "staging"]).expect_code(0);
    let other = world.cli(["cloud", "requests", "--local", "--namespace", "staging"]).with_code(0);
    assert_eq!((other.stdout.as_str(), other.stderr.as_str()), ("", ""));
    let nowhere = world.cli(["cloud", "usage", "--local", "--namespace", "nowhere"]).with_code(1);
    assert!(nowhere.stderr.contains("nowhere") && nowhere.stderr.contains("node namespace list"), "{}", nowhere.stderr);
    daemon.stop();
}

#[test]
fn credit_is_given_to_the_millionth_and_shown() {
    let world = World::new();
    let daemon = world.demo();
    let owner = world.cli(["node", "user", "list", "--json"]).with_code(0).json()["data"][0].clone();
    let (id, name) = (owner["id"].as_str().expect("an id"), owner["name"].as_str().expect("a name"));
    let told = world.cli(["node", "credit", "grant", name, "5"]).with_code(0).stdout;
    assert_eq!(told, format!("`{name}` ({id}) was given $5.00 and has $5.00 now\n"));
    let given = world.cli(["node", "credit", "grant", id, "0.000001", "--json"]).with_code(0).json();
    assert_eq!((&given["amount_micro_usd"], &given["balance_micro_usd"]), (&json!(1), &json!(5_000_001)), "{given}");
    let balance = world.cli(["cloud", "billing", "balance", "--local"]).with_code(0).stdout;
    assert_eq!(balance, "balance:   $5.000001\npending:   $0.00\navailable: $5.000001\n");
    let json = world.cli(["cloud", "billing", "balance", "--local", "--json"]).with_code(0).json();
    assert_eq!((&json["balance_micro_usd"], &json["currency"]), (&json!(5_000_001), &json!("usd")), "{json}");
    let rows = world.cli(["cloud", "billing", "transactions", "--local"]).with_code(0).stdout;
    let lines: Vec<&str> = rows.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("\tgrant\t$0.000001\t") && lines[0].starts_with("txn_"), "{rows}");
    for who in ["nobody", "ns_00000000000000000000000000", "usr_00000000000000000000000000"] {
        let refused = world.cli(["node", "credit", "grant", who, "5"]).with_code(1);
        assert!(refused.stderr.contains("hint: bitrouter node "), "{who}: {}", refused.stderr);
    }
    daemon.stop();
}

#[test]
fn a_journal_that_is_whole_needs_no_repair() {
    let world = World::new();
    let daemon = world.demo();
    chat(&daemon, "call_1");
    rows(&world, 1);
    assert!(world.cli(["node", "journal", "repair"]).with_code(0).stdout.contains("the journal"));
    assert_eq!(world.cli(["node", "journal", "repair", "--json"]).with_code(0).json(), json!({"copies": []}));
    assert_eq!(rows(&world, 1).len(), 1);
    daemon.stop();
}

bitrouter_test_postgres::once_more_on_postgres!(
    calls_of_the_own_node_are_listed_summed_shown_and_followed,
    credit_is_given_to_the_millionth_and_shown,
    a_journal_that_is_whole_needs_no_repair,
);
