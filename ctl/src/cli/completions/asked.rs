//! What a shell asks for when a key is pressed: ids and names that the daemon knows. It answers within a second, starts nothing,
//! and says nothing of what went wrong.

use std::time::Duration;

use bitrouter_proto::{
    client::{Asked, Completion},
    codes::exit,
};

use super::place::{Place, Whose, place};
use crate::{cli::identity::exported_key, context::Context, exit::Status};

/// Whoever pressed the key waits no longer.
const PATIENCE: Duration = Duration::from_millis(900);

/// Prints what may stand in the place of the last of `words`, one a line, with what it is behind a tab.
pub(in crate::cli) fn answer(context: &Context, words: &[String]) -> Status {
    let (current, before) = words.split_last().map_or(("", words), |(current, before)| (current.as_str(), before));
    let mut tree = crate::cli::tree();
    tree.build();
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    if let Some(place) = place(&tree, &before) {
        // In the middle of `--flag = value` bash's last word is the sign.
        let current = if current == "=" { "" } else { current };
        let known = context.block_on(async { Ok(asked(context, &place, current).await) });
        let lines = known.ok().flatten().unwrap_or_default().into_iter().map(|one| line(&one));
        let text = lines.collect::<Vec<_>>().join("\n");
        if !text.is_empty() {
            // A shell that does not read is none to tell.
            let _ = context.printer.stdout_important(&text);
        }
    }
    Status(exit::OK)
}

async fn asked(context: &Context, place: &Place, current: &str) -> Option<Vec<Completion>> {
    let context = Context { socket: place.socket.clone().or_else(|| context.socket.clone()), ..context.clone() };
    let known = async {
        let client = context.connect().await.ok()?;
        let asked = match &place.whose {
            Whose::Node(namespace) => Asked::Node { namespace: namespace.clone() },
            // Another user's daemon is told no key.
            Whose::Account => Asked::Account(exported_key(&context).filter(|_| !client.is_foreign())),
        };
        client.complete(&asked, place.what.clone(), current).await.ok()
    };
    let mut known = tokio::time::timeout(PATIENCE, known).await.ok().flatten()?;
    known.retain(|one| one.text.starts_with(current) && place.only.is_none_or(|only| one.text.starts_with(only)));
    Some(known)
}

fn line(one: &Completion) -> String {
    if one.help.is_empty() { one.text.clone() } else { format!("{}\t{}", one.text, one.help) }
}
