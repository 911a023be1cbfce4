//! `node byok`: what provider keys are sealed against at the own node, and what was done with those that are stored.

use bitrouter_proto::{
    account::{List, byok::StoredKeyChange},
    codes::exit,
};
use clap::Subcommand;

use crate::{
    context::Context,
    exit::{Failure, Status},
    render::{Column, Shown, block_text, table_text, when},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ByokVerb {
    /// Have new provider keys sealed against another key; those that are stored stay good
    Rotate,
    /// List each submission and deletion of a provider key, the newest first
    Audit {
        /// Show every column, and shorten nothing
        #[arg(long)]
        wide: bool,
    },
}

/// The columns of changes.
const COLUMNS: [Column; 8] = [
    Column::new("TIME", 10),
    Column::new("WHAT", 9),
    Column::new("PERSON", 20).shortened(),
    Column::new("PROVIDER", 20),
    Column::new("KEK", 24),
    Column::new("WITH", 30).rank(1),
    Column::new("SENT TO", 30).shortened().rank(2),
    Column::new("PERSON ID", 30).only_wide(),
];

pub(super) fn run(context: &Context, verb: &ByokVerb) -> Result<Status, Failure> {
    let printer = context.printer;
    match verb {
        ByokVerb::Rotate => {
            let told = context.wait(async { Ok(context.connect().await?.rotate_sealing_key().await?) })?;
            printer.document(&told.json)?;
            let rotated = told.read;
            printer.stdout(&block_text(&[
                ("kek_id", rotated.kek_id),
                ("previous", rotated.previous_kek_id),
                ("sealed earlier", rotated.sealed_earlier.to_string()),
            ]))?;
        }
        ByokVerb::Audit { wide } => {
            let told = context.wait(async { Ok(context.connect().await?.list_stored_key_changes().await?) })?;
            printer.document(&told.json)?;
            printer.rows(&changes_text(&told.read, printer.table(*wide)), "no provider key was stored")?;
        }
    }
    Ok(Status(exit::OK))
}

fn changes_text(changes: &List<StoredKeyChange>, shown: Shown) -> String {
    let for_people = matches!(shown, Shown::Terminal { .. });
    let row = |change: &StoredKeyChange| {
        vec![
            when(&change.at, for_people),
            change.action.clone(),
            change.person_name.clone(),
            change.provider_name.clone(),
            change.kek_id.clone(),
            change.credential.clone(),
            change.api_base.clone().unwrap_or_else(|| "—".to_owned()),
            change.person_id.clone(),
        ]
    };
    table_text(&COLUMNS, &changes.data.iter().map(row).collect::<Vec<_>>(), shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_a_table() {
        let text = r#"{"data":[{"at":"2026-05-01T00:00:00.000Z","action":"submitted","person_id":"usr_1","person_name":"ada",
            "credential":"socket","provider_name":"openai","kek_id":"kek_1"}]}"#;
        let changes: List<StoredKeyChange> = serde_json::from_str(text).unwrap();
        let expected = "2026-05-01T00:00:00.000Z\tsubmitted\tada\topenai\tkek_1\tsocket\t—";
        assert_eq!(changes_text(&changes, Shown::Piped { wide: false }), expected);
    }
}
