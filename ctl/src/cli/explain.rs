//! `explain`: what would become of a call, without making it.

use bitrouter_proto::{
    account::{MicroUsd, policy::PrincipalType},
    client::{PrincipalRef, Question},
    codes::exit,
    explanation::{ALLOW, Explanation, PolicyInForce},
};
use clap::Args;

use crate::{
    context::Context,
    exit::{Failure, Status},
    render::{
        Column, NOTHING, Shown, block_text,
        style::{BAD, GOOD, styled},
        table_text,
    },
};

/// The largest number of tokens that can be asked about.
const MOST: u64 = (1 << 31) - 1;

#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// The model, as a call would name it
    model: String,

    /// Whose call it would be: a key, a session, a client, a person or a namespace, like `api_key:key_…` or `namespace:default`
    /// [default: one without a credential]
    #[arg(long, value_name = "TYPE:ID", value_parser = principal)]
    principal: Option<PrincipalRef>,

    /// The cap of the reply [default: none is stated, and the model's own maximum holds]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST))]
    max_tokens: Option<u64>,

    /// The tokens that go in [default: as many as the model takes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=MOST))]
    input_tokens: Option<u64>,

    /// Show every column, and shorten nothing
    #[arg(long)]
    wide: bool,
}

/// The columns of a route.
const ROUTE: [Column; 3] = [Column::new("PROVIDER", 12), Column::new("MODEL", 24).shortened(), Column::new("KEY", 11)];

/// The columns of policies.
const POLICIES: [Column; 6] = [
    Column::new("POLICY", 30),
    Column::new("NAME", 24).shortened(),
    Column::new("KIND", 10),
    Column::new("PRINCIPAL TYPE", 14).rank(2),
    Column::new("PRINCIPAL", 30).rank(1),
    Column::new("VERDICT", 7),
];

pub(super) fn run(context: &Context, args: &ExplainArgs) -> Result<Status, Failure> {
    let printer = context.printer;
    let question = Question {
        model: args.model.clone(),
        principal: args.principal.clone(),
        max_tokens: args.max_tokens,
        input_tokens: args.input_tokens,
    };
    let told = context.wait(async { Ok(context.connect().await?.explain(&question).await?) });
    let explained = told.map_err(|failure| advised(failure, args.principal.as_ref()))?;
    printer.json(&explained)?;
    printer.stdout(&text(&explained, printer.table(args.wide)))?;
    Ok(Status(exit::OK))
}

/// Reads `TYPE:ID`.
fn principal(text: &str) -> Result<PrincipalRef, String> {
    let read = text.split_once(':').and_then(|(kind, id)| {
        let kind = PrincipalType::parse(&kind.replace('-', "_"))?;
        (!id.is_empty()).then(|| PrincipalRef { kind, id: id.to_owned() })
    });
    let words = || PrincipalType::ALL.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
    read.ok_or_else(|| format!("write a type and an id, like `api_key:key_…`; the types are {}", words()))
}

/// Where there is no such principal, the command that lists what there is of its kind.
fn advised(failure: Failure, principal: Option<&PrincipalRef>) -> Failure {
    let list = match principal.filter(|_| failure.code == "not_found").map(|principal| principal.kind) {
        Some(PrincipalType::ApiKey) => "bitrouter cloud keys list --local",
        Some(PrincipalType::OauthToken) => "bitrouter cloud sessions list --local",
        Some(PrincipalType::Namespace) => "bitrouter node namespace list",
        Some(PrincipalType::User) => "bitrouter node user list",
        Some(PrincipalType::OauthClient) => "bitrouter cloud oauth-client list --local",
        None => return failure,
    };
    failure.hint(list)
}

fn text(explained: &Explanation, shown: Shown) -> String {
    let style = if explained.verdict == ALLOW { GOOD } else { BAD };
    let worst_case = explained.worst_case_micro_usd.as_ref().map_or_else(|| NOTHING.to_owned(), MicroUsd::to_string);
    let mut rows = vec![
        ("model", explained.model.clone()),
        ("verdict", styled(style, &explained.verdict)),
        ("worst case", worst_case),
    ];
    rows.extend(explained.message.clone().map(|why| ("why", why)));
    // The question is about no stream, and says nothing.
    let any = |is: fn(&PolicyInForce) -> bool| explained.policies.iter().any(is);
    rows.extend(any(|policy| policy.refuses_streams).then(|| ("streams", "refused".to_owned())));
    rows.extend(any(|policy| policy.judges_content).then(|| ("content", "judged, and may be refused".to_owned())));
    let of = |text: String| (!text.is_empty()).then_some(text);
    let blocks = [Some(block_text(&rows)), of(route(explained, shown)), of(policies(explained, shown))];
    blocks.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
}

fn route(explained: &Explanation, shown: Shown) -> String {
    let rows: Vec<Vec<String>> = explained
        .route
        .iter()
        .map(|one| {
            let key = one.key_source.clone().unwrap_or_else(|| NOTHING.to_owned());
            vec![one.provider.clone(), one.model.clone(), key]
        })
        .collect();
    table_text(&ROUTE, &rows, shown)
}

fn policies(explained: &Explanation, shown: Shown) -> String {
    let rows: Vec<Vec<String>> = explained
        .policies
        .iter()
        .map(|one| {
            vec![
                one.policy_id.clone(),
                one.name.clone(),
                one.kind.clone(),
                one.principal_type.clone(),
                one.principal_id.clone(),
                verdict(one),
            ]
        })
        .collect();
    table_text(&POLICIES, &rows, shown)
}

/// What a policy makes of the call, and of one that is a stream or says something.
fn verdict(policy: &PolicyInForce) -> String {
    let words = [
        (policy.refuses, "refuses"),
        (policy.refuses_streams, "no streams"),
        (policy.judges_content, "judges content"),
    ];
    let words: Vec<&str> = words.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
    if words.is_empty() { NOTHING.to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::explanation::RouteCandidate;

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn refused() -> Explanation {
        let text = |text: &str| text.to_owned();
        Explanation {
            model: text("demo/echo"),
            route: vec![
                RouteCandidate { provider: text("demo"), model: text("echo"), key_source: None },
                RouteCandidate { provider: text("acme"), model: text("echo"), key_source: Some(text("env_file")) },
            ],
            policies: vec![PolicyInForce {
                policy_id: text("pol_00000000010000000000000001"),
                name: text("nightly-cap-of-everybody-in-the-house"),
                kind: text("budget"),
                principal_type: text("namespace"),
                principal_id: text("ns_00000000010000000000000002"),
                refuses: true,
                refuses_streams: false,
                judges_content: false,
            }],
            verdict: text("budget_exceeded"),
            worst_case_micro_usd: Some(MicroUsd::new(12_300)),
            message: Some(text("it costs too much")),
            policy_id: Some(text("pol_00000000010000000000000001")),
        }
    }

    #[test]
    fn a_refusal_says_why_and_which_policy_it_is() {
        let piped = plain(&text(&refused(), Shown::Piped { wide: false }));
        let expected = "model:      demo/echo\nverdict:    budget_exceeded\nworst case: $0.0123\nwhy:        it costs too much\n\n\
                        demo\techo\t—\nacme\techo\tenv_file\n\n\
                        pol_00000000010000000000000001\tnightly-cap-of-everybody-in-the-house\tbudget\tnamespace\t\
                        ns_00000000010000000000000002\trefuses";
        assert_eq!(piped, expected);
        let narrow = plain(&text(&refused(), Shown::Terminal { columns: Some(64) }));
        let expected = "PROVIDER  MODEL  KEY\ndemo      echo   —\nacme      echo   env_file\n\n\
                        POLICY                          NAME             KIND    VERDICT\n\
                        pol_00000000010000000000000001  nightly-cap-of…  budget  refuses";
        assert!(narrow.ends_with(expected), "{narrow}");
        assert!(narrow.lines().all(|line| line.chars().count() <= 64), "{narrow}");
    }

    #[test]
    fn what_was_not_asked_about_is_said_besides() {
        let mut explained = Explanation { verdict: ALLOW.to_owned(), message: None, route: vec![], ..refused() };
        for (refuses_streams, judges_content, expected) in [
            (true, false, "\nstreams:    refused\n\n|no streams"),
            (false, true, "\ncontent:    judged, and may be refused\n\n|judges content"),
            (
                true,
                true,
                "\nstreams:    refused\ncontent:    judged, and may be refused\n\n|no streams, judges content",
            ),
            (false, false, "\nworst case: $0.0123\n\n|—"),
        ] {
            let policy = &mut explained.policies[0];
            (policy.refuses, policy.refuses_streams, policy.judges_content) = (false, refuses_streams, judges_content);
            let told = plain(&text(&explained, Shown::Piped { wide: false }));
            for part in expected.split('|') {
                assert!(told.contains(part), "{told}");
            }
            assert!(told.ends_with(expected.split('|').next_back().unwrap()), "{told}");
        }
    }

    #[test]
    fn what_leads_nowhere_has_neither_route_nor_price() {
        let nothing = Explanation {
            route: vec![],
            policies: vec![],
            verdict: "provider_key_missing".to_owned(),
            worst_case_micro_usd: None,
            message: None,
            policy_id: None,
            ..refused()
        };
        let expected = "model:      demo/echo\nverdict:    provider_key_missing\nworst case: —";
        assert_eq!(plain(&text(&nothing, Shown::Piped { wide: false })), expected);
    }

    #[test]
    fn a_principal_is_a_type_and_an_id() {
        let read = principal("api-key:key_1").unwrap();
        assert_eq!((read.kind, read.id.as_str()), (PrincipalType::ApiKey, "key_1"));
        assert_eq!(principal("namespace:a:b").unwrap().id, "a:b");
        for wrong in ["", "key_1", "api_key:", ":key_1", "person:ann"] {
            assert!(principal(wrong).unwrap_err().contains("`oauth_client`"), "{wrong}");
        }
    }
}
