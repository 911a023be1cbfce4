//! Calls as people read them: a row of a table, and one in full.

use bitrouter_proto::{
    account::{
        MicroUsd,
        ledger::{TokenClasses, ToldRequestRow},
    },
    local_time::LocalTime,
};

use crate::render::{Column, NOTHING, Shown, block_text, moment, when};

/// The columns of calls.
pub(super) const COLUMNS: [Column; 14] = [
    Column::new("ID", 30),
    Column::new("STATUS", 9),
    Column::new("MODEL", 28).shortened(),
    Column::number("PROMPT", 7).rank(1),
    Column::number("COMPLETION", 10).rank(1),
    Column::number("COST", 9),
    Column::new("CREATED", 10),
    Column::new("REQUEST", 26).only_wide(),
    Column::number("CHARGED", 9).only_wide(),
    Column::new("FUNDING", 12).only_wide(),
    Column::new("COUNTED BY", 10).only_wide(),
    Column::number("FIRST BYTE", 10).only_wide(),
    Column::new("CREDENTIAL", 30).only_wide(),
    Column::new("ERROR", 20).only_wide(),
];

/// The cells of a call.
pub(super) fn cells(row: &ToldRequestRow, shown: Shown) -> Vec<String> {
    let for_people = matches!(shown, Shown::Terminal { .. });
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| NOTHING.to_owned());
    let first_byte = row.first_byte_ms.map_or_else(|| NOTHING.to_owned(), |ms| format!("{ms} ms"));
    vec![
        row.id.clone(),
        row.status.clone(),
        model(row),
        row.prompt_tokens.to_string(),
        row.completion_tokens.to_string(),
        money(row.cost_micro_usd.or(row.final_charge_micro_usd.filter(|charge| charge.micros() != 0))),
        when(&row.created_at, for_people),
        row.request_id.clone(),
        money(row.final_charge_micro_usd),
        text(&row.funding_source),
        text(&row.usage_origin),
        first_byte,
        text(&row.credential_id),
        text(&row.error_code),
    ]
}

/// One call, with everything that is known of it.
pub(super) fn full_text(row: &ToldRequestRow, for_people: Option<&LocalTime>) -> String {
    let mut rows = vec![("id", row.id.clone()), ("request id", row.request_id.clone())];
    rows.push(("status", row.status.clone()));
    let asked = row.requested_model.as_ref().filter(|asked| **asked != model(row));
    rows.push(("model", model(row)));
    rows.extend(asked.map(|asked| ("asked for", asked.clone())));
    let counted = match row.usage_origin.as_deref() {
        Some("estimated") => " (estimated)",
        _ => "",
    };
    rows.push(("prompt tokens", format!("{}{counted}", row.prompt_tokens)));
    rows.push(("completion tokens", format!("{}{counted}", row.completion_tokens)));
    rows.extend(row.usage.iter().flat_map(classes));
    rows.push(("cost", money(row.cost_micro_usd)));
    let known = |key, amount: Option<MicroUsd>| amount.map(|amount| (key, amount.to_string()));
    rows.extend(known("charged", row.final_charge_micro_usd));
    rows.extend(known("reserved", row.reserved_micro_usd));
    let texts = [
        ("paid by", &row.funding_source),
        ("price version", &row.price_version),
        ("credential", &row.credential_id),
        ("error", &row.error_code),
    ];
    rows.extend(texts.into_iter().filter_map(|(key, text)| Some((key, text.clone()?))));
    if !row.flags.is_empty() {
        rows.push(("flags", row.flags.join(" ")));
    }
    rows.extend(row.streamed.map(|streamed| ("streamed", if streamed { "yes" } else { "no" }.to_owned())));
    rows.push(("created", moment(&row.created_at, for_people)));
    rows.extend(row.first_byte_ms.map(|ms| ("first byte", format!("after {ms} ms"))));
    rows.extend(row.completed_at.as_ref().map(|at| ("completed", moment(at, for_people))));
    block_text(&rows)
}

/// The classes in which there are tokens, where they say more than the sums.
fn classes(tokens: &TokenClasses) -> Vec<(&'static str, String)> {
    let all = [
        ("  uncached", tokens.uncached_input_tokens),
        ("  cache read", tokens.cache_read_tokens),
        ("  cache write", tokens.cache_write_tokens),
        ("  cache write 1 h", tokens.cache_write_1h_tokens),
        ("  audio in", tokens.audio_input_tokens),
        ("  images in", tokens.image_input_tokens),
        ("  video in", tokens.video_input_tokens),
        ("  text", tokens.output_tokens),
        ("  reasoning", tokens.reasoning_tokens),
        ("  audio out", tokens.audio_output_tokens),
        ("  images out", tokens.image_output_tokens),
    ];
    let some: Vec<_> = all.into_iter().filter(|(_, count)| *count != 0).collect();
    let is_plain = some.iter().all(|(key, _)| matches!(*key, "  uncached" | "  text"));
    some.into_iter().filter(|_| !is_plain).map(|(key, count)| (key, count.to_string())).collect()
}

/// `provider/model`.
fn model(row: &ToldRequestRow) -> String {
    match (&row.provider_id, &row.model_id) {
        (Some(provider), Some(model)) => format!("{provider}/{model}"),
        (None, Some(model)) => model.clone(),
        _ => NOTHING.to_owned(),
    }
}

fn money(amount: Option<MicroUsd>) -> String {
    amount.map_or_else(|| NOTHING.to_owned(), |amount| amount.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::table_text;

    fn row() -> ToldRequestRow {
        let text = r#"{"id":"req_01jxyz00000000000000000001","request_id":"r-1","status":"succeeded","model_id":"claude",
            "provider_id":"anthropic","requested_model":"anthropic/claude","prompt_tokens":1200,"completion_tokens":34,
            "usage":{"uncached_input_tokens":200,"cache_read_tokens":1000,"output_tokens":30,"reasoning_tokens":4},
            "usage_origin":"provider","price_version":"p1","reserved_micro_usd":null,"cost_micro_usd":4100,
            "final_charge_micro_usd":0,"funding_source":"local","streamed":true,"credential_id":"keyless",
            "flags":["above_bound"],"created_at":"2026-05-01T00:00:00.000Z","first_byte_ms":120,
            "completed_at":"2026-05-01T00:00:02.000Z","seq":7}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn one_call_is_a_block_with_everything() {
        let expected = "\
id:                req_01jxyz00000000000000000001
request id:        r-1
status:            succeeded
model:             anthropic/claude
prompt tokens:     1200
completion tokens: 34
  uncached:        200
  cache read:      1000
  text:            30
  reasoning:       4
cost:              $0.0041
charged:           $0.00
paid by:           local
price version:     p1
credential:        keyless
flags:             above_bound
streamed:          yes
created:           2026-05-01T00:00:00.000Z
first byte:        after 120 ms
completed:         2026-05-01T00:00:02.000Z";
        assert_eq!(full_text(&row(), None), expected);
    }

    #[test]
    fn what_is_not_known_is_left_out_or_marked() {
        let bare = ToldRequestRow {
            id: "7".to_owned(),
            status: "pending".to_owned(),
            requested_model: Some("fast".to_owned()),
            usage_origin: Some("estimated".to_owned()),
            ..ToldRequestRow::default()
        };
        let text = full_text(&bare, None);
        assert!(text.contains("model:             —\nasked for:         fast\n"), "{text}");
        assert!(text.contains("prompt tokens:     0 (estimated)") && text.contains("cost:              —"), "{text}");
        assert!(!text.contains("uncached") && !text.contains("streamed"), "{text}");
    }

    #[test]
    fn a_pipe_gets_exact_cells_and_another_server_says_less() {
        let shown = Shown::Piped { wide: false };
        let line = table_text(&COLUMNS, &[cells(&row(), shown)], shown);
        let expected =
            "req_01jxyz00000000000000000001\tsucceeded\tanthropic/claude\t1200\t34\t$0.0041\t2026-05-01T00:00:00.000Z";
        assert_eq!(line, expected);
        let charge = Some(MicroUsd::new(9));
        let other = ToldRequestRow { cost_micro_usd: None, final_charge_micro_usd: charge, ..row() };
        assert_eq!(cells(&other, shown)[5], "$0.000009");
        let unpriced = ToldRequestRow { cost_micro_usd: None, ..row() };
        assert_eq!(cells(&unpriced, shown)[5], "—");
    }

    #[test]
    fn on_a_terminal_ids_stay_whole() {
        let shown = Shown::Terminal { columns: Some(80) };
        let text = table_text(&COLUMNS, &[cells(&row(), shown)], shown);
        assert!(text.contains("req_01jxyz00000000000000000001  succeeded  anthropic/c"), "{text}");
        assert!(
            text.lines().all(|line| anstream::adapter::strip_str(line).to_string().chars().count() <= 80),
            "{text}"
        );
    }
}
