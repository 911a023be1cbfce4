//! Whatever comes after whatever: the file is whole, and no refresh token is sent again once an answer to it was stored.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::{issuer::Answer, *};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// The token is due, and the server answers so.
    Renew(Answer),
    /// The server refuses the access token.
    Rejected,
    /// Time passes.
    Pass(u64),
    /// The clock is set, by that many hours ahead or back.
    SetClock(i8),
    /// Another program writes another session.
    Foreign,
    /// Another program breaks the file.
    Broken,
    /// Another program removes it.
    Removed,
    /// The daemon is killed, and another one starts.
    Restart,
    /// Somebody signs out.
    SignOut,
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => Just(Answer::Tokens(json!({}))),
        1 => Just(Answer::Tokens(json!({"refresh_token": null}))),
        1 => Just(Answer::Tokens(json!({"expires_in": null, "scope": "x"}))),
        1 => Just(Answer::Text(500, "application/json", "{}".to_owned())),
        1 => Just(Answer::Text(200, "text/html", "<html>".to_owned())),
        1 => Just(Answer::error("invalid_scope")),
        1 => Just(Answer::error("temporarily_unavailable")),
        1 => Just(Answer::Gone),
        1 => Just(Answer::Cut),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => answer().prop_map(Step::Renew),
        2 => Just(Step::Rejected),
        2 => (1u64..7_000).prop_map(Step::Pass),
        1 => (-48i8..48).prop_map(Step::SetClock),
        2 => Just(Step::Foreign),
        1 => Just(Step::Broken),
        1 => Just(Step::Removed),
        2 => Just(Step::Restart),
        1 => Just(Step::SignOut),
    ]
}

async fn play(steps: Vec<Step>) {
    let mut rig = Rig::signed_in(30).await;
    let mut broken = None::<Vec<u8>>;
    // Refresh tokens to which an answer was stored.
    let mut answered = BTreeSet::new();
    for step in steps {
        let sent = rig.issuer.shown().len();
        let before = std::fs::read(rig.path()).ok();
        match step {
            Step::Renew(answer) => {
                rig.clocks.pass(secs(3_600));
                rig.issuer.next(answer);
                rig.attempt(Why::Due).await;
                rig.issuer.forget_plans();
            }
            Step::Rejected => {
                let token = rig.keeper.0.held().oauth().map(|oauth| oauth.access_token.clone());
                if let Some(token) = token {
                    rig.attempt(Why::Rejected(token)).await;
                }
            }
            Step::Pass(seconds) => {
                rig.clocks.pass(secs(seconds));
                rig.keeper.look().await;
            }
            Step::SetClock(hours) => {
                let now = rig.clocks.now().wall;
                let span = secs(u64::from(hours.unsigned_abs()) * 3_600);
                rig.clocks.set_wall(if hours < 0 { now - span } else { now + span });
                rig.keeper.0.held().clock_was_set();
                rig.attempt(Why::Again).await;
            }
            Step::Foreign => {
                rig.write(&rig.content(3_600));
                broken = None;
                rig.keeper.look().await;
            }
            Step::Broken => {
                rig.write_text("{\"access_token\": \"bra_");
                broken = Some(std::fs::read(rig.path()).unwrap());
                rig.keeper.look().await;
            }
            Step::Removed => {
                let _ = std::fs::remove_file(rig.path());
                broken = None;
            }
            Step::Restart => {
                rig = rig.beside();
                rig.keeper.0.first_look();
            }
            Step::SignOut => {
                rig.keeper.sign_out().await.unwrap();
                broken = None;
                assert!(!rig.path().exists());
            }
        }
        // The file is what somebody broke, or whole, or not there.
        match (&broken, std::fs::read(rig.path())) {
            (Some(broken), Ok(now)) => assert_eq!(*broken, now, "a bad file is never touched"),
            (_, Err(_)) => {}
            (None, Ok(now)) => {
                let parsed = bitrouter_proto::account::credential::Credential::parse(&now);
                parsed.unwrap_or_else(|error| panic!("{error}"));
            }
        }
        let shown = rig.issuer.shown();
        for token in &shown[sent..] {
            assert!(!answered.contains(token), "{token} was sent again after its answer had been stored");
        }
        let after = std::fs::read(rig.path()).ok();
        if let (Some(before), Some(after)) = (&before, &after)
            && let [.., last] = &shown[sent..]
            && before != after
            && !String::from_utf8_lossy(after).contains(&format!("\"{last}\""))
        {
            answered.insert(last.clone());
        }
        assert!(rig.names().iter().all(|name| !name.starts_with('.')), "{:?}", rig.names());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn p02_whatever_happens_the_file_is_whole_and_no_token_is_spent_twice(steps in proptest::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(play(steps));
    }
}
