//! What is explained of a call, against a small catalogue and rules that are made up.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use bitrouter_proto::{account::PolicyId, codes::InferenceCode};
use secrecy::SecretString;

use super::*;
use crate::{
    account::{Account, AccountState},
    content_rules::ContentRules,
    ports::{AdmissionRequest, Admitted, BoxFuture, KeySource},
    registry::{Catalog, Manifest},
    snapshot::Limits,
};

/// Rules that deny what begins with one of these, and give a cap to what may be called.
#[derive(Debug, Default)]
struct Rules {
    denied: Vec<&'static str>,
    cap: Option<u64>,
    refuses: bool,
    judged: std::sync::Mutex<Vec<Manner>>,
}

impl CallPlan for Rules {
    fn limits_money(&self) -> bool {
        true
    }

    fn limits_tokens(&self) -> bool {
        false
    }

    fn denies_model(&self, provider: &str, model: &str) -> Option<PolicyId> {
        let name = format!("{provider}/{model}");
        self.denied.iter().any(|denied| name.starts_with(denied)).then(policy)
    }

    fn judges_models(&self) -> Option<PolicyId> {
        (!self.denied.is_empty()).then(policy)
    }

    fn model_denied(&self, policy: PolicyId) -> InferenceError {
        InferenceError::new(InferenceCode::ModelDenied, "denied").with("policy_id", policy.to_string())
    }

    fn judge_payer(&self, _: bool) -> Result<(), InferenceError> {
        Ok(())
    }

    fn paid_by_owners_key(&self) -> Plan {
        Plan::Plain
    }

    fn judge(&self, manner: Manner) -> Result<(), InferenceError> {
        self.judged.lock().unwrap().push(manner);
        Ok(())
    }

    fn content_rules(&self) -> Option<&Arc<ContentRules>> {
        None
    }

    fn has_room_for_input(&self, _: &Metered) -> bool {
        true
    }

    fn would_admit(&self, _: &Metered) -> Result<Option<u64>, InferenceError> {
        if self.refuses { Err(InferenceError::new(InferenceCode::BudgetExceeded, "spent")) } else { Ok(self.cap) }
    }

    fn admit<'a>(&'a self, _: AdmissionRequest<'a>) -> BoxFuture<'a, Result<Admitted, InferenceError>> {
        panic!("whoever explains a call does not make it")
    }
}

fn policy() -> PolicyId {
    "pol_00000000010000000000000001".parse().unwrap()
}

/// Keys of these providers.
struct Keys(Vec<(&'static str, SecretString)>);

impl KeySource for Keys {
    fn key(&self, _: Caller, provider: &ProviderId) -> Option<&SecretString> {
        self.0.iter().find(|(id, _)| *id == provider.as_str()).map(|(_, key)| key)
    }
}

fn manifest(id: &str, kind: &str, models: &[&str]) -> Manifest {
    let mut text = format!(
        "id = \"{id}\"\nkind = \"{kind}\"\nendpoint = \"https://h.example/v1\"\nprotocol = [\"chat_completions\"]\n"
    );
    for model in models {
        text.extend(["[[models]]\nid = \"", model, "\"\nmax_output_tokens = 1000\n"]);
        if *model == "free" {
            text += "[models.pricing.input_tokens]\nno_cache = 0\n[models.pricing.output_tokens]\ntext = 0\n";
            continue;
        }
        if *model == "numbers" {
            text += "capabilities = [\"embeddings\"]\n";
        }
        if *model != "endless" {
            text += "max_input_tokens = 10000\n";
        }
        text += "[models.pricing.input_tokens]\nno_cache = 1.0\n[models.pricing.output_tokens]\ntext = 2.0\n";
    }
    Manifest::parse(&text, Path::new("x.toml")).unwrap()
}

fn snapshot() -> Snapshot {
    let shipped = vec![
        manifest("acme", "first_party", &["big", "shared", "endless", "numbers", "free"]),
        manifest("gate", "gateway", &["shared", "acme/big"]),
        manifest("other", "gateway", &["shared"]),
        manifest("keyless", "first_party", &["lonely", "shared"]),
    ];
    let keys = ["acme", "gate", "other"].map(|id| (id, SecretString::from("k"))).into();
    Snapshot {
        catalog: Arc::new(Catalog::build(shipped, vec![], BTreeMap::new(), false).unwrap()),
        aliases: BTreeMap::from([("fast".to_owned(), "shared".to_owned())]),
        prefer: vec![ProviderId::parse("other").unwrap()],
        keys: Arc::new(Keys(keys)),
        account: Account::default(),
        limits: Limits::default(),
    }
}

fn ask(model: &str, rules: Option<Rules>) -> Explanation {
    let question = Question {
        caller: Caller::DAEMON,
        model,
        dialects: &Dialect::ALL,
        input_tokens: Some(100),
        max_tokens: Some(10),
    };
    let plan = rules.map_or(Plan::Plain, |rules| Plan::Bound(Arc::new(rules)));
    explained(&snapshot(), &question, &plan)
}

fn route(explained: &Explanation) -> Vec<String> {
    explained.route.iter().map(|one| format!("{}|{}", one.provider, one.model)).collect()
}

fn code(explained: &Explanation) -> Option<InferenceCode> {
    explained.verdict.as_ref().err().map(InferenceError::code)
}

#[test]
fn candidates_stand_in_the_order_in_which_they_are_tried() {
    for (model, denied, expected) in [
        // What is preferred first, then by kind; who has no key is none.
        ("shared", &[][..], &["other|shared", "acme|shared", "gate|shared"][..]),
        ("fast", &[], &["other|shared", "acme|shared", "gate|shared"]),
        ("acme/big", &[], &["acme|big", "gate|acme/big"]),
        ("acme:big", &[], &["acme|big"]),
        // What is denied is left out.
        ("shared", &["other/"], &["acme|shared", "gate|shared"]),
        ("shared", &["acme/", "gate/"], &["other|shared"]),
        ("acme/big", &["acme/"], &["gate|acme/big"]),
    ] {
        let explained = ask(model, Some(Rules { denied: denied.to_vec(), ..Rules::default() }));
        assert_eq!(
            (route(&explained), code(&explained)),
            (expected.iter().map(|one| (*one).to_owned()).collect(), None),
            "{model}"
        );
    }
}

#[test]
fn what_leads_nowhere_has_no_route_and_no_price() {
    let deny = |denied: &[&'static str]| Some(Rules { denied: denied.to_vec(), ..Rules::default() });
    for (model, rules, expected) in [
        ("nonsense", None, InferenceCode::ModelNotFound),
        ("lonely", None, InferenceCode::ProviderKeyMissing),
        // The key is asked for first, as of a call.
        ("lonely", deny(&["keyless/"]), InferenceCode::ProviderKeyMissing),
        ("acme:big", deny(&["acme/big"]), InferenceCode::ModelDenied),
        ("shared", deny(&["acme/", "gate/", "other/"]), InferenceCode::ModelDenied),
    ] {
        let explained = ask(model, rules);
        assert_eq!(
            (code(&explained), route(&explained), explained.worst_case),
            (Some(expected), vec![], None),
            "{model}"
        );
    }
}

#[test]
fn the_worst_case_is_the_bound_with_the_cap_that_the_call_would_get() {
    let explained = |model: &str, input_tokens, max_tokens, rules: Rules| {
        let question = Question { caller: Caller::DAEMON, model, dialects: &Dialect::ALL, input_tokens, max_tokens };
        explained(&snapshot(), &question, &Plan::Bound(Arc::new(rules))).worst_case.map(MicroUsd::micros)
    };
    let free = Rules::default;
    for (model, input, cap, rules, expected) in [
        ("acme:big", Some(100), Some(10), free(), Some(120)),
        ("acme:big", Some(100), None, free(), Some(2_100)),
        ("acme:big", None, None, free(), Some(12_000)),
        ("acme:big", Some(100), Some(10), Rules { cap: Some(5), ..free() }, Some(110)),
        ("acme:big", Some(100), None, Rules { cap: Some(5), ..free() }, Some(110)),
        ("acme:big", Some(100), Some(10), Rules { refuses: true, ..free() }, Some(120)),
        // Nothing bounds what goes in.
        ("acme:endless", Some(100), Some(10), free(), Some(120)),
        ("acme:endless", None, Some(10), free(), None),
        // Nothing comes out.
        ("acme:numbers", Some(100), Some(10), free(), Some(100)),
        // What no manifest lists has no price, whatever it is a tag of.
        ("acme:unlisted", Some(100), Some(10), free(), None),
        ("acme:free", None, None, free(), Some(0)),
        ("acme:free:nitro", Some(100), Some(10), free(), None),
    ] {
        assert_eq!(explained(model, input, cap, rules), expected, "{model} {input:?} {cap:?}");
    }
}

#[test]
fn the_manner_that_is_judged_is_that_of_a_call_without_a_stream() {
    for (model, asked) in [("acme:big", Some(10)), ("acme:numbers", None)] {
        let rules = Arc::new(Rules::default());
        let question = Question {
            caller: Caller::DAEMON,
            model,
            dialects: &Dialect::ALL,
            input_tokens: None,
            max_tokens: Some(10),
        };
        let _ = explained(&snapshot(), &question, &Plan::Bound(Arc::clone(&rules) as Arc<dyn CallPlan>));
        let expected = Manner { is_streamed: false, asked, uses_byok: false };
        assert_eq!(*rules.judged.lock().unwrap(), [expected], "{model}");
    }
}

#[test]
fn what_stands_behind_the_account_of_the_own_node_is_resolved_here() {
    for (state, model, expected, refused) in [
        (AccountState::OwnNode, "bitrouter:acme/big", &["acme|big", "gate|acme/big"][..], None),
        (AccountState::OwnNode, "bitrouter:bitrouter:m", &[], Some(InferenceCode::LoopDetected)),
        (AccountState::OwnNode, "bitrouter:nonsense", &[], Some(InferenceCode::ModelNotFound)),
        (AccountState::SignedIn, "bitrouter:acme/big", &["bitrouter|acme/big"], None),
        (AccountState::SignedOut, "bitrouter:acme/big", &[], Some(InferenceCode::ProviderKeyMissing)),
    ] {
        let mut snapshot = snapshot();
        snapshot.account.state = state.clone();
        let question = Question {
            caller: Caller::DAEMON,
            model,
            dialects: &Dialect::ALL,
            input_tokens: Some(1),
            max_tokens: Some(1),
        };
        let told = explained(&snapshot, &question, &Plan::Plain);
        assert_eq!(
            (route(&told), code(&told)),
            (expected.iter().map(|one| (*one).to_owned()).collect(), refused),
            "{state:?} {model}"
        );
    }
}
