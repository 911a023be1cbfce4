//! Pushes of several sessions, and a plain history that must say the same.

use super::*;
use crate::environment::KeyNames;
use proptest::prelude::*;

fn known() -> KnownNames {
    KnownNames::of(&[KeyNames::new("p", ["K", "L", "M"])])
}

fn session(sid: u32) -> Session {
    Session { sid, leader_start: Some(1) }
}

fn set(variables: &[(&str, &str)]) -> Vec<Variable> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), Some(SecretString::from(*value)))).collect()
}

fn value<'a>(pushed: &'a Pushed, name: &str) -> Option<&'a str> {
    pushed.values(name).first().map(|(_, value)| value.expose_secret())
}

#[test]
fn a_reload_replaces_what_its_session_pushed_and_only_that() {
    let mut pushed = Pushed::default();
    pushed.replace_session(session(1), set(&[("K", "a"), ("L", "b")]), &known()).unwrap();
    pushed.replace_session(session(2), set(&[("M", "c")]), &known()).unwrap();
    pushed.replace_session(session(1), set(&[("L", "b2"), ("K", "")]), &known()).unwrap();
    assert_eq!((value(&pushed, "K"), value(&pushed, "L"), value(&pushed, "M")), (None, Some("b2"), Some("c")));
    assert_eq!(pushed.names().len(), 2);
    pushed.replace_session(session(1), vec![], &known()).unwrap();
    pushed.replace_session(session(2), vec![("M".into(), None)], &known()).unwrap();
    assert!(pushed.is_empty());
}

#[test]
fn the_same_sid_with_another_leader_is_another_session() {
    let mut pushed = Pushed::default();
    pushed.replace_session(session(1), set(&[("K", "a")]), &known()).unwrap();
    let reused = Session { sid: 1, leader_start: Some(2) };
    pushed.replace_session(reused, vec![], &known()).unwrap();
    assert_eq!(value(&pushed, "K"), Some("a"));
}

#[test]
fn a_delta_changes_only_what_it_names() {
    let mut pushed = Pushed::default();
    pushed.delta(session(1), set(&[("K", "a"), ("L", "b")]), &known()).unwrap();
    pushed.delta(session(1), vec![("K".into(), None)], &known()).unwrap();
    assert_eq!((value(&pushed, "K"), value(&pushed, "L")), (None, Some("b")));
}

#[test]
fn the_last_push_wins_and_its_withdrawal_uncovers_the_one_before() {
    let mut pushed = Pushed::default();
    pushed.delta(session(1), set(&[("K", "a")]), &known()).unwrap();
    pushed.delta(session(2), set(&[("K", "b")]), &known()).unwrap();
    assert_eq!(value(&pushed, "K"), Some("b"));
    pushed.replace_session(session(1), set(&[("K", "a")]), &known()).unwrap();
    assert_eq!(value(&pushed, "K"), Some("a"));
    pushed.delta(session(1), vec![("K".into(), None)], &known()).unwrap();
    assert_eq!(value(&pushed, "K"), Some("b"));
}

#[test]
fn forgotten_until_pushed_again() {
    let mut pushed = Pushed::default();
    pushed.delta(session(1), set(&[("K", "a"), ("L", "b")]), &known()).unwrap();
    pushed.delta(session(2), set(&[("K", "c")]), &known()).unwrap();
    pushed.forget(["K", "not a name"]);
    assert!(pushed.is_forgotten("K") && value(&pushed, "K").is_none() && !pushed.is_forgotten("not a name"));
    pushed.delta(session(1), vec![("K".into(), None)], &known()).unwrap();
    assert!(pushed.is_forgotten("K"));
    pushed.delta(session(1), set(&[("K", "a")]), &known()).unwrap();
    assert!(!pushed.is_forgotten("K"));
    pushed.delta(session(1), vec![("K".into(), None)], &known()).unwrap();
    assert_eq!(value(&pushed, "K"), None, "what session 2 had pushed before the forgetting is gone");
}

#[test]
fn a_token_of_ours_pushes_out_nothing_and_shows_nothing_that_is_hidden() {
    let mut pushed = Pushed::default();
    pushed.delta(session(1), set(&[("K", "a")]), &known()).unwrap();
    pushed.replace_session(session(1), set(&[("K", "bitrouter-local"), ("L", "brk_a.b")]), &known()).unwrap();
    let values: Vec<_> = pushed.values("K").iter().map(|(_, value)| value.expose_secret().to_owned()).collect();
    assert_eq!(values, ["bitrouter-local", "a"]);
    assert_eq!(pushed.names(), ["K"], "what can be no key is not lost with the process");
    pushed.forget(["K"]);
    pushed.delta(session(1), set(&[("K", "brk_a.b")]), &known()).unwrap();
    assert!(pushed.is_forgotten("K"));
    // Unset in the shell, it is withdrawn with what it stood beside.
    pushed.replace_session(session(1), vec![("K".into(), None)], &known()).unwrap();
    assert!(pushed.is_empty());
}

#[test]
fn a_session_whose_leader_is_gone_is_the_one_that_pushed_before() {
    let gone = Session { sid: 1, leader_start: None };
    let mut pushed = Pushed::default();
    pushed.delta(Session { sid: 1, leader_start: Some(1) }, set(&[("K", "old")]), &known()).unwrap();
    pushed.delta(Session { sid: 1, leader_start: Some(2) }, set(&[("K", "a"), ("L", "b")]), &known()).unwrap();
    pushed.replace_session(gone, set(&[("L", "c")]), &known()).unwrap();
    assert_eq!((value(&pushed, "K"), value(&pushed, "L")), (Some("old"), Some("c")));
    // Sessions that cannot be told are one of their own.
    pushed.replace_session(Session::UNKNOWN, set(&[("M", "d")]), &known()).unwrap();
    assert_eq!((pushed.sessions.len(), value(&pushed, "L")), (3, Some("c")));
    let other = Session { sid: 2, leader_start: None };
    pushed.replace_session(other, vec![], &known()).unwrap();
    assert_eq!(value(&pushed, "M"), Some("d"));
}

#[test]
fn a_refused_push_changes_nothing() {
    let mut pushed = Pushed::default();
    pushed.replace_session(session(1), set(&[("K", "a")]), &known()).unwrap();
    let long = "x".repeat(MAX_VALUE + 1);
    for (variables, error) in [
        (set(&[("L", "b"), ("K", &long)]), PushError::TooLong("K".into())),
        (set(&[("L", "b"), ("not a name", "x")]), PushError::BadName),
        (vec![("K".to_owned(), None); MAX_NAMES + 1], PushError::TooMany),
    ] {
        assert_eq!(pushed.replace_session(session(1), variables, &known()), Err(error));
        assert_eq!((value(&pushed, "K"), pushed.names().len()), (Some("a"), 1));
    }
}

#[test]
fn strangers_are_not_held() {
    let mut pushed = Pushed::default();
    let variables = set(&[("PATH", "/bin"), ("BITROUTER_API_KEY", "x"), ("BITROUTER_Q_API_KEY", "y")]);
    pushed.replace_session(session(1), variables, &known()).unwrap();
    assert_eq!(pushed.names(), ["BITROUTER_Q_API_KEY"]);
}

#[test]
fn superseded_sessions_make_room_and_a_value_in_force_never_does() {
    let mut pushed = Pushed::default();
    pushed.delta(session(1), set(&[("L", "kept")]), &known()).unwrap();
    for sid in 2..3_000 {
        pushed.delta(session(sid), set(&[("K", &sid.to_string())]), &known()).unwrap();
    }
    assert_eq!(pushed.sessions.len(), MAX_SESSIONS);
    assert_eq!((value(&pushed, "L"), value(&pushed, "K")), (Some("kept"), Some("2999")));

    let many = KnownNames::of(&[KeyNames::new("p", (0..200).map(|n| format!("N{n}")))]);
    let long = "x".repeat(MAX_VALUE);
    let mut pushed = Pushed::default();
    let results: Vec<_> =
        (0..200).map(|n| pushed.delta(session(1), set(&[(&format!("N{n}"), &long)]), &many)).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), MAX_TOTAL / MAX_VALUE - 1);
    assert_eq!(results.last().unwrap(), &Err(PushError::Full));
    assert!(pushed.size() <= MAX_TOTAL);
}

#[test]
fn debug_prints_no_value() {
    let mut pushed = Pushed::default();
    pushed.delta(session(1), set(&[("K", "canary")]), &known()).unwrap();
    assert!(!format!("{pushed:?}").contains("canary"));
}

#[derive(Clone, Debug)]
enum Act {
    Replace(u32, Vec<(usize, Option<u8>)>),
    Delta(u32, Vec<(usize, Option<u8>)>),
    Forget(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let variables = || proptest::collection::vec((0..3usize, proptest::option::of(0..5u8)), 0..4);
    proptest::collection::vec(
        prop_oneof![
            (0..3u32, variables()).prop_map(|(sid, variables)| Act::Replace(sid, variables)),
            (0..3u32, variables()).prop_map(|(sid, variables)| Act::Delta(sid, variables)),
            (0..3usize).prop_map(Act::Forget),
        ],
        0..30,
    )
}

proptest! {
    /// A plain history of (name, session, value), searched backwards, says the same.
    #[test]
    fn agrees_with_a_history(acts in acts()) {
        const NAMES: [&str; 3] = ["K", "L", "M"];
        let mut pushed = Pushed::default();
        let mut history: Vec<(usize, u32, u8)> = Vec::new();
        let mut forgotten = BTreeSet::new();
        for act in acts {
            let (sid, variables, replace) = match act {
                Act::Forget(name) => {
                    pushed.forget([NAMES[name]]);
                    history.retain(|(other, ..)| *other != name);
                    forgotten.insert(name);
                    continue;
                }
                Act::Replace(sid, variables) => (sid, variables, true),
                Act::Delta(sid, variables) => (sid, variables, false),
            };
            if replace {
                history.retain(|(_, other, _)| *other != sid);
            }
            for (name, value) in &variables {
                history.retain(|(n, s, _)| (n, s) != (name, &sid));
                if let Some(value) = value {
                    history.push((*name, sid, *value));
                    forgotten.remove(name);
                }
            }
            let variables = variables
                .into_iter()
                .map(|(name, value)| (NAMES[name].to_owned(), value.map(|v| SecretString::from(v.to_string()))))
                .collect();
            if replace {
                pushed.replace_session(session(sid), variables, &known()).unwrap();
            } else {
                pushed.delta(session(sid), variables, &known()).unwrap();
            }
        }
        for (index, name) in NAMES.iter().enumerate() {
            let newest = history.iter().rev().find(|(n, ..)| *n == index).map(|(_, _, value)| value.to_string());
            prop_assert_eq!(value(&pushed, name), newest.as_deref());
            prop_assert_eq!(pushed.is_forgotten(name), forgotten.contains(&index));
        }
    }
}
