//! What no leaf takes is named at once, with the help of the verb.

use bitrouter_tests::World;

#[test]
fn what_makes_no_sense_of_a_leaf_is_named_before_anybody_is_asked() {
    let world = World::new();
    let file = world.write("list.json", "[1]");
    let file = file.to_str().expect("a path");
    for (words, parts) in [
        (&["cloud", "keys", "mint"][..], &["--name"][..]),
        (
            &["cloud", "keys", "mint", "--name", "x", "--expires-at", "tomorrow"],
            &["`--expires-at`", "2027-05-01T00:00:00Z"],
        ),
        (
            &["cloud", "keys", "mint", "--name", "x", "--expires-at", "2020-01-01T00:00:00Z"],
            &["`--expires-at`", "over"],
        ),
        (&["cloud", "keys", "mint", "--name", "x", "--expires-in", "soon"], &["`--expires-in`", "30d"]),
        (
            &["cloud", "keys", "mint", "--name", "x", "--expires-in", "1d", "--expires-at", "2999-01-01T00:00:00Z"],
            &["exclude"],
        ),
        (
            &["cloud", "policy", "create", "--name", "x", "--kind", "quota", "--spec", "-"],
            &["`--kind`", "`rate-limit`"],
        ),
        (&["cloud", "policy", "create", "--name", "x", "--kind", "budget", "--spec", "/none.json"], &["`/none.json`"]),
        (&["cloud", "policy", "create", "--name", "x", "--kind", "budget", "--spec", file], &["no JSON object"]),
        (&["cloud", "policy", "update", "p1"], &["`--name`", "`--spec`"]),
        (&["cloud", "policy", "bind", "p1", "--principal-type", "account", "--principal-id", "a"], &["`api_key`"]),
        (
            &["cloud", "budget", "create", "--name", "x", "--window", "week", "--limit-micro-usd", "1"],
            &["`--window`", "`day`"],
        ),
        (
            &["cloud", "budget", "create", "--name", "x", "--window", "day", "--limit-micro-usd", "0"],
            &["more than nothing"],
        ),
        (
            &["cloud", "budget", "create", "--name", "x", "--window", "day", "--limit-micro-usd", "-5"],
            &["more than nothing"],
        ),
        (&["cloud", "budget", "update", "p1"], &["`--name`", "`--funding`"]),
        (&["cloud", "preset", "update", "p1"], &["something to change"]),
        (&["cloud", "preset", "update", "p1", "--budget", "-", "--clear-budget"], &["exclude"]),
        (&["cloud", "billing", "checkout"], &["--amount-cents"]),
        (&["cloud", "billing", "checkout", "--amount-cents", "20.00"], &["whole number"]),
        (&["cloud", "sessions", "revoke"], &["<SESSION>"]),
        (&["cloud", "byok", "set"], &["--provider"]),
        (&["cloud", "byok", "set", "--provider", "p", "--ciphertext-b64", "AAAA"], &["--kek-id"]),
        (&["cloud", "byok", "delete"], &["<PROVIDER>"]),
        (&["cloud", "oauth-client", "register", "--name", "x", "--type", "public"], &["--grant"]),
        (&["cloud", "oauth-client", "register", "--name", "x", "--grant", "refresh_token"], &["--type"]),
        (
            &["cloud", "oauth-client", "register", "--name", "x", "--type", "public", "--grant", "password"],
            &["`--grant`", "`authorization_code`"],
        ),
        (&["cloud", "oauth-client", "update", "brc_1"], &["`--redirect-uri`", "`--grant`"]),
        (&["cloud", "oauth-client", "update", "brc_1", "--scope", ""], &["names no scope"]),
        (&["cloud", "oauth-client", "delete"], &["<CLIENT>"]),
        (&["node", "member", "add", "default", "ann"], &["--role"]),
        (&["node", "member", "add", "default", "ann", "--role", "owner"], &["`--role`", "`viewer`"]),
        (&["node", "keys", "mint"], &["--name"]),
    ] {
        let told = world.cli(words).with_code(1);
        assert_eq!(told.stdout, "");
        for part in parts {
            assert!(told.stderr.contains(part), "{words:?}: `{part}` is not in {}", told.stderr);
        }
        assert!(told.stderr.contains("--help"), "{words:?}: {}", told.stderr);
    }
    assert!(!world.daemon_json().exists(), "a mistake starts no daemon");
}
