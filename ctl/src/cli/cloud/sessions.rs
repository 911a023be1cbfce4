//! `cloud sessions`: the programs that are signed in to a namespace.

use bitrouter_proto::{
    account::{
        List,
        told::{ToldEnd, ToldSession},
    },
    client::{Asked, Client},
};
use clap::Subcommand;

use super::target::{Target, WideFlag};
use crate::{
    context::Context,
    exit::{Failure, Status},
    render::{Column, Shown, block_text, table_text, until, when},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SessionsVerb {
    /// List the sessions of the namespace, the newest first
    List {
        #[command(flatten)]
        wide: WideFlag,
        #[command(flatten)]
        target: Target,
    },
    /// End a session, and the keys that were minted with it: their next request is refused
    Revoke {
        /// Which: `tok_…`
        #[arg(value_name = "SESSION")]
        session: String,
        /// Let the keys live that were minted with it
        #[arg(long)]
        keep_keys: bool,
        #[command(flatten)]
        target: Target,
    },
}

/// The columns of sessions.
const COLUMNS: [Column; 7] = [
    Column::new("ID", 30),
    Column::new("CLIENT", 20).shortened(),
    Column::new("PERSON", 30).rank(2),
    Column::new("LAST USED", 10),
    Column::new("EXPIRES", 10).rank(1),
    Column::new("CREATED", 10).only_wide(),
    Column::new("SCOPES", 40).only_wide(),
];

pub(super) fn run(context: &Context, verb: &SessionsVerb) -> Result<Status, Failure> {
    match verb {
        SessionsVerb::List { wide, target } => {
            let call = async |client: &Client, asked: &Asked| client.list_sessions(asked).await;
            let shown = wide.shown(context);
            target.list(context, "cloud sessions list", call, |rows| list_text(rows, shown), "no sessions")
        }
        SessionsVerb::Revoke { session, keep_keys, target } => {
            let call = async |client: &Client, asked: &Asked| client.revoke_session(asked, session, *keep_keys).await;
            target.show(context, "cloud sessions revoke", call, end_text)
        }
    }
}

fn list_text(sessions: &List<ToldSession>, shown: Shown) -> String {
    let for_people = matches!(shown, Shown::Terminal { .. });
    let row = |session: &ToldSession| {
        vec![
            session.id.clone(),
            session.client_id.clone(),
            session.subject.clone(),
            when(&session.last_used_at, for_people),
            until(&session.expires_at, for_people),
            when(&session.created_at, for_people),
            session.scopes.join(" "),
        ]
    };
    table_text(&COLUMNS, &sessions.data.iter().map(row).collect::<Vec<_>>(), shown)
}

fn end_text(end: &ToldEnd) -> String {
    let mut rows = vec![("revoked", end.revoked.to_string())];
    let counts = [("keys revoked", end.keys_revoked), ("keys kept", end.keys_kept)];
    // Where there were none, nothing became of them.
    let some =
        counts.into_iter().filter_map(|(name, count)| Some((name, count.filter(|count| *count > 0)?.to_string())));
    rows.extend(some);
    block_text(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_a_table() {
        let text = r#"{"data":[{"id":"tok_1","client_id":"bitrouter-cli","subject":"usr_1","scopes":["keys:read","usage:read"],
            "created_at":"2026-05-01T00:00:00.000Z","last_used_at":"2026-05-02T00:00:00.000Z",
            "expires_at":"2026-07-31T00:00:00.000Z"}]}"#;
        let rows: List<ToldSession> = serde_json::from_str(text).unwrap();
        let expected = "tok_1\tbitrouter-cli\tusr_1\t2026-05-02T00:00:00.000Z\t2026-07-31T00:00:00.000Z";
        assert_eq!(list_text(&rows, Shown::Piped { wide: false }), expected);
        let wide = list_text(&rows, Shown::Piped { wide: true });
        assert_eq!(wide, format!("{expected}\t2026-05-01T00:00:00.000Z\tkeys:read usage:read"));
    }

    #[test]
    fn an_end_counts_the_keys_where_the_server_does() {
        let end = ToldEnd { revoked: true, keys_revoked: Some(2), keys_kept: None };
        assert_eq!(end_text(&end), "revoked:      true\nkeys revoked: 2");
        assert_eq!(
            end_text(&ToldEnd { keys_revoked: None, keys_kept: Some(1), ..end }),
            "revoked:   true\nkeys kept: 1"
        );
        for keys_kept in [None, Some(0)] {
            assert_eq!(end_text(&ToldEnd { keys_revoked: None, keys_kept, ..end }), "revoked: true");
        }
    }
}
