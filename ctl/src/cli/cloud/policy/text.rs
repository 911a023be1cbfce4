//! Policies as people read them: a list, one with its spec, what it is bound to, what holds for a principal.

use bitrouter_proto::{
    account::told::{ToldBinding, ToldEffective, ToldPolicy},
    local_time::LocalTime,
    terminal::visible_document,
};
use serde::Serialize;

use crate::render::{Column, NOTHING, Shown, block_text, moment, table_text};

/// The columns of policies.
const POLICIES: [Column; 4] =
    [Column::new("ID", 30), Column::new("NAME", 24).shortened(), Column::new("KIND", 10), Column::new("STATE", 8)];

/// The columns of bindings.
const BINDINGS: [Column; 4] = [
    Column::new("ID", 30),
    Column::new("POLICY", 30).rank(1),
    Column::new("PRINCIPAL TYPE", 14),
    Column::new("PRINCIPAL", 30),
];

pub(super) fn list(policies: &[ToldPolicy], shown: Shown) -> String {
    let row = |policy: &ToldPolicy| {
        vec![policy.id.clone(), policy.name.clone(), policy.kind.clone(), state(policy.disabled_at.as_ref())]
    };
    table_text(&POLICIES, &policies.iter().map(row).collect::<Vec<_>>(), shown)
}

/// Whether it acts, as a cell.
pub(in crate::cli::cloud) fn state(disabled_at: Option<&String>) -> String {
    if disabled_at.is_some() { "disabled" } else { "enabled" }.to_owned()
}

pub(super) fn one(policy: &ToldPolicy, for_people: Option<&LocalTime>) -> String {
    let mut rows = vec![("id", policy.id.clone()), ("name", policy.name.clone()), ("kind", policy.kind.clone())];
    rows.extend(policy.disabled_at.as_ref().map(|at| ("disabled at", moment(at, for_people))));
    format!("{}\nspec:\n{}", block_text(&rows), json_text(&policy.spec))
}

pub(super) fn bindings(bindings: &[ToldBinding], shown: Shown) -> String {
    let row = |row: &ToldBinding| {
        vec![row.id.clone(), row.policy_id.clone(), row.principal_type.clone(), row.principal_id.clone()]
    };
    table_text(&BINDINGS, &bindings.iter().map(row).collect::<Vec<_>>(), shown)
}

pub(super) fn effective(effective: &ToldEffective) -> String {
    let guardrail = match &effective.guardrail {
        Some(guardrail) if guardrail["byok_conflict"] == true => {
            "set; one policy requires own provider keys, another forbids them: every call is refused (byok_conflict)"
        }
        Some(_) => "set",
        None => NOTHING,
    };
    let counts = block_text(&[
        ("budgets", effective.budgets.len().to_string()),
        ("rate limits", effective.rate_limits.len().to_string()),
        ("guardrail", guardrail.to_owned()),
    ]);
    if *effective == ToldEffective::default() {
        return counts;
    }
    format!("{counts}\n\n{}", json_text(effective))
}

/// JSON for people: pretty, without what a terminal would obey.
pub(in crate::cli::cloud) fn json_text(value: &impl Serialize) -> String {
    // Values that were read as JSON make JSON.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    visible_document(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> ToldPolicy {
        let text = r#"{"id":"pol_1","name":"nightly-cap","kind":"budget",
            "spec":{"window":"day","limit_micro_usd":9007199254740993},"disabled_at":null}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn policies_are_a_table() {
        let resting = ToldPolicy {
            id: "pol_2".to_owned(),
            kind: "rate_limit".to_owned(),
            disabled_at: Some("2026-05-01T00:00:00.000Z".to_owned()),
            ..policy()
        };
        let text = list(&[policy(), resting], Shown::Piped { wide: false });
        assert_eq!(text, "pol_1\tnightly-cap\tbudget\tenabled\npol_2\tnightly-cap\trate_limit\tdisabled");
        assert_eq!(list(&[], Shown::Piped { wide: false }), "");
    }

    #[test]
    fn one_policy_is_a_block_with_its_spec() {
        let expected = "\
id:   pol_1
name: nightly-cap
kind: budget
spec:
{
  \"limit_micro_usd\": 9007199254740993,
  \"window\": \"day\"
}";
        assert_eq!(one(&policy(), None), expected);
        let spec = serde_json::json!({"content_patterns": [{"name": "\u{1b}[2J\u{202e}"}]});
        let at = Some("2026-05-01T00:00:00.000Z".to_owned());
        let text = one(&ToldPolicy { spec, disabled_at: at, ..policy() }, None);
        assert!(text.contains("\ndisabled at: 2026-05-01T00:00:00.000Z\nspec:\n"), "{text}");
        assert!(text.contains(r"\u001b[2J\u202e") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn bindings_are_a_table() {
        let text = r#"[{"id":"bnd_1","policy_id":"pol_1","principal_type":"api_key","principal_id":"key_1"}]"#;
        let rows: Vec<ToldBinding> = serde_json::from_str(text).unwrap();
        assert_eq!(bindings(&rows, Shown::Piped { wide: false }), "bnd_1\tpol_1\tapi_key\tkey_1");
    }

    #[test]
    fn what_holds_is_counted_and_shown_whole() {
        assert_eq!(effective(&ToldEffective::default()), "budgets:     0\nrate limits: 0\nguardrail:   —");
        let some = ToldEffective {
            budgets: vec![serde_json::json!({"policy_id": "pol_1", "spent_micro_usd": 12})],
            guardrail: Some(serde_json::json!({"policy_ids": ["pol_2"]})),
            ..ToldEffective::default()
        };
        let text = effective(&some);
        assert!(
            text.starts_with("budgets:     1\nrate limits: 0\nguardrail:   set\n\n{\n  \"budgets\": [\n"),
            "{text}"
        );
        assert!(text.contains("\"spent_micro_usd\": 12") && text.contains("\"pol_2\""), "{text}");
        let rail = serde_json::json!({"policy_ids": ["pol_2", "pol_3"], "byok": "forbidden", "byok_conflict": true});
        let text = effective(&ToldEffective { guardrail: Some(rail), ..ToldEffective::default() });
        let line = text.lines().find(|line| line.starts_with("guardrail: ")).unwrap();
        assert!(line.ends_with("every call is refused (byok_conflict)"), "{line}");
    }
}
