//! What a far account says of calls and credit: as it came for programs, set for reading for people, and followed.

use bitrouter_tests::{Reply, World, process::Process, wait};
use serde_json::{Value, json};

use crate::far::Far;

fn followed(far: &Far, words: &[&str]) -> Process {
    far.world.command(["cloud", "requests", "--follow"].iter().chain(words)).spawn()
}

fn row(number: i64, status: &str, seq: i64) -> Value {
    json!({
        "id": format!("req_{number}"), "request_id": format!("r-{number}"), "status": status, "model_id": "far-model",
        "provider_id": "far", "prompt_tokens": 10, "completion_tokens": 2, "final_charge_micro_usd": null,
        "cost_micro_usd": 41, "created_at": "2026-05-01T00:00:00.000Z", "seq": seq, "later": {"x": 1},
    })
}

/// What a server sends and we would never write so.
const ODD: &str = "{\r\n\t\"from\" : \"2026-05-01T00:00:00Z\",\"to\":\"2026-06-01T00:00:00Z\", \"spend_micro_usd\":5000000,\r\n\
                   \t\"prompt_tokens\":1e3, \"completion_tokens\":7,\"request_count\":2, \"later\":[1.50, \"\\u00e9\"]}\n\n";

#[test]
fn json_is_what_the_server_sent_byte_for_byte() {
    let far = Far::new();
    let odd = ODD.replace("1e3", "1000");
    far.issuer.rest("/v1/namespaces/ns_far/usage", Reply::json(200, &odd));
    assert_eq!(far.cloud(&["usage", "--json"]).with_code(0).stdout, odd);
    let page =
        "{ \"limit\":25 ,\"offset\": 0,\"data\":[{\"id\":\"17\",\"created_at\":\"2026-05-01T00:00:00Z\",\"x\":1.0}]}";
    far.issuer.rest("/v1/namespaces/ns_far/requests", Reply::json(200, page));
    assert_eq!(far.cloud(&["requests", "--json"]).with_code(0).stdout, format!("{page}\n"));
    let one = "{\"id\":\"17\",\"created_at\":\"2026-05-01T00:00:00Z\",\"x\":1.0}";
    far.issuer.rest("/v1/namespaces/ns_far/requests/17", Reply::json(200, one));
    assert_eq!(far.cloud(&["requests", "17", "--json"]).with_code(0).stdout, format!("{one}\n"));
    let balance = "{\"balance_micro_usd\":5, \"pending_debits_micro_usd\":1,\"available_micro_usd\":4,\"currency\":\"usd\",\"x\":{}}";
    far.issuer.rest("/v1/billing/balance", Reply::json(200, balance));
    assert_eq!(far.cloud(&["billing", "balance", "--json"]).with_code(0).stdout, format!("{balance}\n"));
    let list =
        "{\"data\":[{\"id\":\"t\",\"amount_micro_usd\":-5,\"created_at\":\"2026-05-01T00:00:00Z\",\"x\":null}] }";
    far.issuer.rest("/v1/billing/transactions", Reply::json(200, list));
    assert_eq!(far.cloud(&["billing", "transactions", "--json"]).with_code(0).stdout, format!("{list}\n"));
    far.daemon.stop();
}

#[test]
fn people_get_a_block_for_one_thing_and_rows_for_a_list() {
    let far = Far::new();
    far.issuer.rest("/v1/namespaces/ns_far/usage", Reply::json(200, ODD.replace("1e3", "1000")));
    let told =
        far.cloud(&["usage", "--from", "2026-05-01T00:00:00Z", "--to", "2026-06-01T02:00:00+02:00"]).with_code(0);
    let expected = "window:            2026-05-01T00:00:00Z to 2026-06-01T00:00:00Z\nspend:             $5.00\n\
                    requests:          2\nprompt tokens:     1000\ncompletion tokens: 7\n";
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), (expected, ""));
    let target = far.asked().replace("%3A", ":").replace("%2B", "+");
    assert!(target.ends_with("/ns_far/usage?from=2026-05-01T00:00:00Z&to=2026-06-01T02:00:00+02:00"), "{target}");
    far.issuer.call(row(1, "succeeded", 3));
    far.issuer.call(row(2, "failed", 4));
    let told = far.cloud(&["requests", "--limit", "5"]).with_code(0);
    let line =
        |number, status| format!("req_{number}\t{status}\tfar/far-model\t10\t2\t$0.000041\t2026-05-01T00:00:00.000Z\n");
    assert_eq!(told.stdout, line(2, "failed") + &line(1, "succeeded"));
    assert!(far.asked().ends_with("/ns_far/requests?limit=5"), "{}", far.asked());
    far.issuer.rest("/v1/namespaces/ns_far/requests/req_1", Reply::json(200, row(1, "succeeded", 3).to_string()));
    let told = far.cloud(&["requests", "req_1"]).with_code(0).stdout;
    for part in
        ["id:", "request id:        r-1\n", "model:             far/far-model\n", "cost:              $0.000041\n"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    far.issuer.rest("/v1/namespaces/ns_far/requests", Reply::json(200, r#"{"data":[],"limit":25,"offset":0}"#));
    let told = far.cloud(&["requests"]).with_code(0);
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("", ""));
    far.daemon.stop();
}

#[test]
fn a_scope_that_is_missing_is_one_line_and_a_failing_server_is_no_mistake_of_the_caller() {
    let far = Far::new();
    let refused = r#"{"error":"forbidden","error_description":"missing required scope: billing:read"}"#;
    far.issuer.rest("/v1/billing/balance", Reply::json(403, refused));
    let scope = "inference:invoke usage:read namespace:read billing:read";
    let hint = format!("bitrouter auth login --scope \"{scope}\" --oauth-as {}", far.issuer.url());
    let told = far.cloud(&["billing", "balance"]).with_code(1);
    assert_eq!((told.stdout.as_str(), told.stderr), ("", format!("{hint}\n")));
    let error = far.cloud(&["billing", "balance", "--json"]).with_code(1).error();
    assert_eq!((&error["status"], &error["hint"]), (&json!(403), &json!(hint)), "{error}");
    for (status, code) in [(400, 1), (404, 1), (409, 1), (500, 3), (503, 3)] {
        let headers = [("content-type", "application/json"), ("x-bitrouter-request-id", "req-9")];
        let body = r#"{"error":"x","error_description":"no such day","field":"from"}"#;
        far.issuer.rest("/v1/namespaces/ns_far/usage", Reply::with(status, &headers, body));
        let error = far.cloud(&["usage", "--json"]).with_code(code).error();
        let said = json!({
            "code": error["code"], "message": "no such day", "status": status, "field": "from", "request_id": "req-9",
        });
        assert_eq!(error, said);
    }
    far.issuer.rest("/v1/namespaces/ns_far/usage", Reply::json(200, "[]"));
    far.cloud(&["usage"]).expect_code(3);
    far.issuer.rest("/v1/namespaces/ns_far/usage", Reply::nothing().reset());
    far.cloud(&["usage"]).expect_code(2);
    far.daemon.stop();
}

#[test]
fn a_key_of_the_environment_asks_for_its_own_namespace() {
    let far = Far::new();
    far.issuer.rest("/v1/namespaces/me/usage", Reply::json(200, ODD.replace("1e3", "1000")));
    let run = far.world.command(["cloud", "usage"]).env("BITROUTER_API_KEY", "brk_x.y");
    run.env("BITROUTER_API_URL", far.issuer.url()).run().expect_code(0);
    assert_eq!(far.asked(), "/v1/namespaces/me/usage");
    far.daemon.stop();
}

const READS: [&[&str]; 5] =
    [&["usage"], &["requests"], &["requests", "req_1"], &["billing", "balance"], &["billing", "transactions"]];

#[test]
fn signed_out_names_both_ways_in() {
    let world = World::new();
    let daemon = world.demo();
    for words in READS.iter().chain(&[&["requests", "--follow"][..]]) {
        let told = world.command(["cloud"].iter().chain(*words)).run().with_code(1);
        assert_eq!(told.stdout, "");
        assert!(told.stderr.contains("`bitrouter auth login --local`"), "{words:?}: {}", told.stderr);
        assert!(told.stderr.ends_with("hint: bitrouter auth login\n"), "{words:?}: {}", told.stderr);
    }
    daemon.stop();
    for words in READS {
        let told = world.command(["cloud", "--no-autostart"].iter().chain(words)).run().with_code(2);
        assert!(told.stderr.contains("hint: bitrouter start"), "{words:?}: {}", told.stderr);
    }
}

#[test]
fn what_makes_no_sense_is_named_before_anybody_is_asked() {
    let world = World::new();
    for (words, parts) in [
        (&["cloud", "usage", "--from", "yesterday"][..], ["`--from`", "7d"]),
        (&["cloud", "usage", "--to", "2026-05-01"], ["`--to`", "2026-05-01T00:00:00Z"]),
        (&["cloud", "usage", "--from", "1d", "--to", "2d"], ["`--from`", "`--to`"]),
        (&["node", "usage", "--from", "2999-01-01T00:00:00Z"], ["`--from`", "ahead"]),
        (&["cloud", "requests", "--limit", "many"], ["`--limit`", "many"]),
        (&["cloud", "requests", "req_1", "--follow"], ["--follow", "exclude"]),
        (&["cloud", "requests", "--follow", "--offset", "1"], ["--offset", "exclude"]),
        (&["cloud", "usage", "--namespace", "x"], ["--local", "needs"]),
        (&["node", "credit", "grant", "ada", "0"], ["USD", "more than 0"]),
        (&["node", "credit", "grant", "ada", "-5"], ["USD", "more than 0"]),
        (&["node", "credit", "grant", "ada", "0.0000001"], ["USD", "6 decimal places"]),
        (&["node", "credit", "grant", "ada", "five"], ["USD", "0.25"]),
        (&["node", "credit", "grant", "ada", "1e3"], ["USD", "0.25"]),
        (&["node", "credit", "grant", "ada", "9999999999999999"], ["USD", "largest"]),
    ] {
        let told = world.cli(words).with_code(1);
        assert_eq!(told.stdout, "");
        for part in parts {
            assert!(told.stderr.contains(part), "{words:?}: `{part}` is not in {}", told.stderr);
        }
        assert!(told.stderr.contains("--help"), "{words:?}: {}", told.stderr);
        let error = world.command(words.iter().chain(&["--json"])).run().with_code(1).error();
        assert_eq!(error["code"], "bad_argument", "{error}");
    }
    assert!(!world.daemon_json().exists(), "a mistake starts no daemon");
}

#[test]
fn n30_following_goes_by_the_order_of_changes_through_a_server_that_comes_back() {
    let far = Far::new();
    for number in 1..=12 {
        far.issuer.call(row(number, "succeeded", number));
    }
    let follow = followed(&far, &["--json"]);
    let text = follow.stdout().until_contains("\"req_12\"");
    let ids = |text: &str| -> Vec<String> {
        let read =
            |line: &str| serde_json::from_str::<Value>(line).expect("a row a line")["id"].as_str().map(str::to_owned);
        text.lines().filter_map(read).collect()
    };
    // A few of the newest, the oldest of them first.
    assert_eq!(ids(&text), (3..=12).map(|number| format!("req_{number}")).collect::<Vec<_>>());
    assert!(text.contains(r#""later":{"x":1}"#), "{text}");
    let people = followed(&far, &["--limit", "1"]);
    people.stdout().until_contains("req_12\tsucceeded");
    // An older call changes late: it comes all the same, once.
    far.issuer.call(row(2, "cancelled", 13));
    assert_eq!(ids(&follow.stdout().until_contains("cancelled")).len(), 11);
    people.stdout().until_contains("req_2\tcancelled");
    // Meanwhile the server fails.
    far.issuer.rest_instead(Some(Reply::json(503, r#"{"error":"unavailable","error_description":"back soon"}"#)));
    people.stderr().until_contains("note: back soon; trying again");
    far.issuer.call(row(13, "pending", 14));
    far.issuer.rest_instead(None);
    people.stdout().until_contains("req_13\tpending");
    people.stderr().until_contains("note: it answers again");
    let text = follow.stdout().until_contains("\"req_13\"");
    assert_eq!(ids(&text).len(), 12, "{text}");
    assert_eq!(people.stdout().text().lines().count(), 3, "{}", people.stdout().text());
    far.daemon.stop();
}

#[test]
fn n30_following_goes_on_where_it_was_at_a_daemon_that_is_started_again() {
    let far = Far::new();
    far.issuer.call(row(1, "succeeded", 1));
    let mut follow = followed(&far, &[]);
    follow.stdout().until_contains("req_1\t");
    far.daemon.stop();
    far.issuer.call(row(2, "succeeded", 2));
    let daemon = far.world.demo();
    follow.stdout().until_contains("req_2\t");
    follow.stderr().until_contains("it answers again");
    assert_eq!(follow.stdout().text().lines().count(), 2, "{}", follow.stdout().text());
    // What only the caller can mend ends it.
    far.issuer.rest_instead(Some(Reply::json(403, r#"{"error":"forbidden","error_description":"not yours"}"#)));
    let status = follow.wait(wait::PATIENCE);
    assert_eq!(status.code(), Some(1), "{}", follow.stderr().text());
    assert!(follow.stderr().text().ends_with("error: not yours\n"), "{}", follow.stderr().text());
    daemon.stop();
}
