//! What `status` says of the account's provider: whose credential its calls go with, where to, and how old its list is.

use std::{fmt::Write as _, time::Duration};

use bitrouter_proto::{clock, status::ProviderStatus};

use super::list::{AccountList, Known};
use crate::reload::InForce;

/// The line of the provider, whose calls go to `server`.
pub(crate) fn shown(id: &str, server: &str, in_force: &InForce, list: &AccountList) -> ProviderStatus {
    line(id, server, in_force, &list.known(), clock::since_boot())
}

fn line(id: &str, server: &str, in_force: &InForce, known: &Known, now: Duration) -> ProviderStatus {
    let (key, account) = (in_force.keys.status(id), &in_force.signed_in);
    let listed = listed(server, known, now);
    let status = |active, key_source: Option<&str>, source: &str, detail: String| ProviderStatus {
        id: id.to_owned(),
        active,
        key_source: key_source.map(str::to_owned),
        variable: key.variable.clone(),
        key_suffix: None,
        detail,
        source: source.to_owned(),
    };
    if let Some(source) = key.source {
        let beaten = if account.is_signed_in() { ", before the stored credential" } else { "" };
        if let Some(own) = account.own_key(&in_force.keys) {
            let namespace = own.namespace.map(|namespace| format!(", namespace {namespace}")).unwrap_or_default();
            let detail =
                format!("{}, a key of this daemon's own node{namespace}: calls are routed here{beaten}", key.detail);
            return status(true, Some(source.as_str()), &key.summary, detail);
        }
        let detail = format!("{}, for {server}{beaten}{listed}", key.detail);
        return status(true, Some(source.as_str()), &key.summary, detail);
    }
    let namespace = account.namespace().map(|namespace| format!(", namespace {namespace}")).unwrap_or_default();
    if account.is_own_node() {
        let detail = format!("the account of this daemon's own node{namespace}: calls are routed here{}", key.others);
        return status(true, Some(ACCOUNT), "own node", detail);
    }
    if account.is_signed_in() {
        let detail = format!("the account at {server}{namespace}{listed}{}", key.others);
        return status(true, Some(ACCOUNT), "signed in", detail);
    }
    match account.ended() {
        Some(why) => {
            status(false, None, "session ended", format!("the session at {server} has ended: {why}{}", key.others))
        }
        None => {
            let lead = "nobody is signed in: run `bitrouter auth login`, or set `BITROUTER_API_KEY`";
            status(false, None, "signed out", format!("{lead}{}", key.others))
        }
    }
}

/// Where keys come from, for a stored credential.
const ACCOUNT: &str = "account";

/// What is known of the server's list, after `; `.
fn listed(server: &str, known: &Known, now: Duration) -> String {
    let mut text = match known.models.as_ref().filter(|models| models.server == server) {
        Some(models) => {
            let (count, age) = (models.models.len(), age(now.saturating_sub(known.at)));
            format!("; {count} {} listed {age} ago", if count == 1 { "model" } else { "models" })
        }
        None => "; its models are not known yet".to_owned(),
    };
    if let Some(problem) = &known.problem {
        // Writing to a String cannot fail.
        let _ = write!(text, "; the list cannot be had now: {problem}");
    }
    text
}

/// `40s`, `12m`, `3h`.
fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds => format!("{}h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bitrouter_gateway::{AccountModels, registry::Model};
    use bitrouter_proto::{
        account::credential::{Credential, OauthCredential},
        env::Environment,
    };

    use super::*;
    use crate::{
        credentials::{Session, SessionState},
        environment::{KeyNames, KeyRing, Layers, Pushed},
        reload::AccountNow,
    };

    const SERVER: &str = "https://a.example";

    fn in_force(own: &[(&str, &str)], state: SessionState, is_own_node: bool) -> InForce {
        let mut oauth = OauthCredential::new("bra_canary".into(), std::time::SystemTime::UNIX_EPOCH, "c", SERVER);
        oauth.namespace_id = Some("ns_1".to_owned());
        let credential = (state != SessionState::None).then(|| Arc::new(Credential::Oauth(oauth)));
        let session = Session { credential, state, is_own_node, own_login: None, problem: None };
        let process: Environment = own.iter().copied().collect();
        let pushed = Pushed::default();
        let layers = Layers { pushed: &pushed, env_files: &[], process: &process, parent: None };
        InForce {
            keys: Arc::new(KeyRing::build(&[KeyNames::new("bitrouter", Vec::<String>::new())], &layers)),
            signed_in: AccountNow::of(&session, "bitrouter auth login".to_owned(), None),
            ..InForce::default()
        }
    }

    fn known(problem: Option<&str>) -> Known {
        let models = AccountModels { server: SERVER.to_owned(), models: vec![Model::default(); 2] };
        Known { models: Some(Arc::new(models)), at: Duration::from_secs(10), problem: problem.map(str::to_owned) }
    }

    fn ask(in_force: &InForce, known: &Known) -> (bool, Option<String>, Option<String>, String, String) {
        let status = line("bitrouter", SERVER, in_force, known, Duration::from_secs(190));
        assert!(!format!("{status:?}").contains("canary"));
        (status.active, status.key_source, status.variable, status.source, status.detail)
    }

    #[test]
    fn each_state_says_whose_credential_it_is_and_where_calls_go() {
        let account = Some("account".to_owned());
        let (active, source, variable, words, detail) = ask(&in_force(&[], SessionState::Active, false), &known(None));
        assert_eq!((active, source, variable, words.as_str()), (true, account.clone(), None, "signed in"));
        assert_eq!(detail, "the account at https://a.example, namespace ns_1; 2 models listed 3m ago");

        let (active, source, .., detail) = ask(&in_force(&[], SessionState::Active, true), &Known::default());
        assert_eq!((active, source), (true, account));
        assert_eq!(detail, "the account of this daemon's own node, namespace ns_1: calls are routed here");

        let (active, source, _, words, detail) = ask(&in_force(&[], SessionState::None, false), &Known::default());
        assert_eq!((active, source, words.as_str()), (false, None, "signed out"));
        assert_eq!(detail, "nobody is signed in: run `bitrouter auth login`, or set `BITROUTER_API_KEY`");

        let ended = in_force(&[], SessionState::Ended("it was revoked".to_owned()), false);
        let (active, source, _, words, detail) = ask(&ended, &known(None));
        assert_eq!((active, source, words.as_str()), (false, None, "session ended"));
        assert_eq!(detail, "the session at https://a.example has ended: it was revoked");
    }

    #[test]
    fn a_key_of_the_environment_comes_before_the_session_and_says_so() {
        let own = [("BITROUTER_API_KEY", "brk_canary.1")];
        let (active, source, variable, _, detail) = ask(&in_force(&own, SessionState::Active, false), &known(None));
        assert_eq!(
            (active, source.as_deref(), variable.as_deref()),
            (true, Some("environment"), Some("BITROUTER_API_KEY"))
        );
        assert_eq!(
            detail,
            "`BITROUTER_API_KEY` from the daemon's own environment, for https://a.example, before the stored credential; 2 \
             models listed 3m ago"
        );
    }

    #[test]
    fn a_key_of_the_own_node_is_routed_here_and_says_so() {
        let mut in_force = in_force(&[("BITROUTER_API_KEY", "brk_canary.1")], SessionState::None, false);
        let own = crate::credentials::OwnKey { key: "brk_canary.1".into(), namespace: None };
        in_force.signed_in = in_force.signed_in.clone().with_own_key(Some(own));
        let detail = ask(&in_force, &Known::default()).4;
        assert_eq!(
            detail,
            "`BITROUTER_API_KEY` from the daemon's own environment, a key of this daemon's own node: calls are routed here"
        );
    }

    #[test]
    fn a_list_that_cannot_be_had_is_told_with_the_age_of_the_last_one() {
        let signed_in = in_force(&[], SessionState::Active, false);
        let detail = ask(&signed_in, &known(Some("it answered 503"))).4;
        assert!(detail.ends_with("; 2 models listed 3m ago; the list cannot be had now: it answered 503"), "{detail}");
        let elsewhere = Known { models: known(None).models, ..Known::default() };
        let status = line("bitrouter", "https://other.example", &signed_in, &elsewhere, Duration::ZERO);
        assert!(status.detail.ends_with("; its models are not known yet"), "{}", status.detail);
        assert_eq!([59, 60, 3_599, 7_300].map(|seconds| age(Duration::from_secs(seconds))), ["59s", "1m", "59m", "2h"]);
    }
}
