//! API keys as people read them: a list, and one that was just minted.

use std::time::SystemTime;

use bitrouter_proto::{
    account::told::{ToldKey, ToldMintedKey},
    client::Minted,
    clock,
    codes::exit,
    local_time::LocalTime,
};

use secrecy::ExposeSecret as _;

use crate::{
    context::Context,
    exit::{Failure, Status},
    render::{Column, NOTHING, Shown, block_text, moment, table_text, until, when},
};

/// The columns of keys.
const COLUMNS: [Column; 10] = [
    Column::new("ID", 30),
    Column::new("NAME", 20).shortened(),
    Column::new("SCOPES", 30).shortened(),
    Column::new("PREFIX", 12).rank(2),
    Column::new("STATE", 9),
    Column::new("LAST USED", 10).rank(1),
    Column::new("EXPIRES", 20).rank(3),
    Column::new("CREATED", 10).only_wide(),
    Column::new("MINTED WITH", 30).only_wide(),
    Column::new("PERSON", 30).only_wide(),
];

/// The keys, as the server orders them, at the time `now`.
pub(super) fn list_text(keys: &[ToldKey], shown: Shown, now: SystemTime) -> String {
    let for_people = matches!(shown, Shown::Terminal { .. });
    let time = |at: &Option<String>| at.as_ref().map_or_else(|| NOTHING.to_owned(), |at| when(at, for_people));
    let row = |key: &ToldKey| {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| NOTHING.to_owned());
        vec![
            key.id.clone(),
            key.display_name.clone(),
            key.scopes.join(" "),
            key.key_prefix.clone(),
            state(key, now).to_owned(),
            time(&key.last_used_at),
            key.expires_at.as_ref().map_or_else(|| NOTHING.to_owned(), |at| until(at, for_people)),
            when(&key.created_at, for_people),
            text(&key.parent_id),
            text(&key.subject),
        ]
    };
    table_text(&COLUMNS, &keys.iter().map(row).collect::<Vec<_>>(), shown)
}

/// Whether it opens anything.
fn state(key: &ToldKey, now: SystemTime) -> &'static str {
    let left = key.expires_at.as_deref().and_then(|at| clock::ahead(at, now));
    match &key.revoked_at {
        Some(_) => "revoked",
        None if left.is_some_and(|left| left.is_zero()) => "expired",
        None if key.suspended_at.is_some() => "suspended",
        None => "active",
    }
}

/// Shows a key that was just minted: nobody sees it again.
pub(super) fn shown_once(context: &Context, minted: &Minted) -> Result<Status, Failure> {
    let printer = context.printer;
    printer.document(minted.json.expose_secret())?;
    printer.stdout(&minted_text(&minted.key, context.local_time().as_ref()))?;
    printer.stderr("note: the token is shown this once; only its hash is kept");
    Ok(Status(exit::OK))
}

fn minted_text(minted: &ToldMintedKey, for_people: Option<&LocalTime>) -> String {
    let mut rows = vec![
        ("id", minted.id.clone()),
        ("name", minted.display_name.clone()),
        ("prefix", minted.key_prefix.clone()),
        ("scopes", minted.scopes.join(" ")),
    ];
    rows.extend(minted.expires_at.as_ref().map(|at| ("expires", moment(at, for_people))));
    rows.push(("token", minted.token.clone()));
    block_text(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-05-02T00:00:00.000Z";

    fn keys() -> Vec<ToldKey> {
        let text = r#"[
            {"id":"key_00000000010000000000000001","display_name":"ci","key_prefix":"brk_00000000",
             "scopes":["policy:read","usage:read"],"expires_at":"2026-05-31T00:00:00.000Z",
             "last_used_at":"2026-05-01T10:00:00.000Z","revoked_at":null,"created_at":"2026-05-01T00:00:00.000Z",
             "parent_id":"tok_00000000010000000000000009","subject":"usr_00000000010000000000000008"},
            {"id":"key_00000000010000000000000002","display_name":"old","key_prefix":"brk_00000000","scopes":[],
             "expires_at":"2026-05-02T00:00:00.000Z","created_at":"2026-04-01T00:00:00.000Z"},
            {"id":"3","display_name":"lost","key_prefix":"brk_3","scopes":["inference:invoke"],
             "revoked_at":"2026-05-01T00:00:00.000Z","created_at":"2026-04-01T00:00:00.000Z"},
            {"id":"4","display_name":"unsure","key_prefix":"brk_4","scopes":["inference:invoke"],
             "suspended_at":"2026-05-01T00:00:00.000Z","created_at":"2026-04-01T00:00:00.000Z"}]"#;
        serde_json::from_str(text).unwrap()
    }

    fn shown(shown: Shown) -> String {
        let text = list_text(&keys(), shown, clock::parse_rfc3339(NOW).unwrap());
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn keys_are_a_table() {
        let expected = "\
key_00000000010000000000000001\tci\tpolicy:read usage:read\tbrk_00000000\tactive\t2026-05-01T10:00:00.000Z\t2026-05-31T00:00:00.000Z
key_00000000010000000000000002\told\t\tbrk_00000000\texpired\t—\t2026-05-02T00:00:00.000Z
3\tlost\tinference:invoke\tbrk_3\trevoked\t—\t—
4\tunsure\tinference:invoke\tbrk_4\tsuspended\t—\t—";
        assert_eq!(shown(Shown::Piped { wide: false }), expected);
        let wide = shown(Shown::Piped { wide: true });
        assert!(wide.contains("\ttok_00000000010000000000000009\tusr_00000000010000000000000008\n"), "{wide}");
        assert_eq!(list_text(&[], Shown::Piped { wide: false }, clock::wall_now()), "");
    }

    #[test]
    fn a_narrow_terminal_keeps_ids_and_states() {
        let text = shown(Shown::Terminal { columns: Some(80) });
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("ID                              NAME") && lines[0].contains("STATE"), "{text}");
        assert!(lines[1].starts_with("key_00000000010000000000000001  ci") && lines[1].contains("active"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn a_new_key_is_a_block_with_its_token() {
        let minted = ToldMintedKey {
            token: "brk_t".to_owned(),
            id: "key_1".to_owned(),
            key_prefix: "brk_0".to_owned(),
            display_name: "ci".to_owned(),
            scopes: vec!["policy:read".to_owned(), "usage:read".to_owned()],
            expires_at: None,
        };
        let expected = "id:     key_1\nname:   ci\nprefix: brk_0\nscopes: policy:read usage:read\ntoken:  brk_t";
        assert_eq!(minted_text(&minted, None), expected);
        let ending = ToldMintedKey { expires_at: Some("2026-05-31T00:00:00.000Z".to_owned()), ..minted };
        assert!(minted_text(&ending, None).contains("expires: 2026-05-31T00:00:00.000Z\ntoken:   brk_t"));
    }
}
