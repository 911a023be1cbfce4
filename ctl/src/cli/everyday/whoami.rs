//! `whoami`: who is signed in, and the balance where the server can be asked. Works without a daemon and without a network.

use std::ops::ControlFlow;

use bitrouter_proto::{
    account::{Identity, everyday::Me},
    client::{Asked, ClientError, Told},
    codes::exit,
};
use clap::Args;

use super::{
    address::same_server,
    whom::{advised, asked, server},
};
use crate::{
    cli::{
        cloud::LocalFlags,
        identity::{exported, stored, trusted},
    },
    context::Context,
    exit::{Failure, Status},
    name::Name,
    render::{NOTHING, block_text},
};

#[derive(Args, Debug)]
pub(in crate::cli) struct WhoamiArgs {
    #[command(flatten)]
    local: LocalFlags,
}

pub(super) fn run(context: &Context, args: &WhoamiArgs) -> Result<Status, Failure> {
    let answer = context.wait(async { online(context, &args.local).await });
    let me = match answer.map_err(|failure| advised(context, failure, "whoami", &args.local))? {
        ControlFlow::Continue(Told { read, json }) => {
            context.printer.document(&json)?;
            read
        }
        ControlFlow::Break(why) => {
            let me = offline(&known(context)?, why);
            context.printer.json(&me)?;
            me
        }
    };
    context.printer.stdout(&text(&me))?;
    if let Some(why) = &me.balance_error {
        context.printer.stderr(&format!("note: the balance is not known: {why}"));
    }
    Ok(Status(exit::OK))
}

/// What the daemon says; [`ControlFlow::Break`] says why none does. The own node cannot be asked without one.
async fn online(context: &Context, local: &LocalFlags) -> Result<ControlFlow<String, Told<Me>>, Failure> {
    let asked = asked(context, local);
    let client = match trusted(context, matches!(asked, Asked::Account(Some(_)))).await {
        Ok(client) => client,
        Err(failure) if local.is_meant() => return Err(failure),
        Err(failure) => return Ok(ControlFlow::Break(failure.message)),
    };
    match client.show_identity(&asked).await {
        Ok(told) => Ok(ControlFlow::Continue(told)),
        Err(error @ (ClientError::Broken(_) | ClientError::Version { .. })) if !local.is_meant() => {
            Ok(ControlFlow::Break(error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Who that is, as far as this machine knows.
fn known(context: &Context) -> Result<Identity, Failure> {
    let exported = if context.name() == Name::Bitrouter { exported(context) } else { None };
    let identity = exported.map_or_else(|| stored(context), Ok);
    let identity = identity.map_err(|failure| advised(context, failure, "whoami", &LocalFlags::default()))?;
    let Some(server) = server(context) else { return Ok(identity) };
    let servers = [Some(&identity.base_url), identity.authorization_server.as_ref()];
    if servers.into_iter().flatten().any(|known| same_server(known, &server)) {
        return Ok(identity);
    }
    let message = format!("the session is one of `{}`, and `{server}` is meant", identity.base_url);
    let name = context.name();
    Err(Failure::caller("other_server", message).hint(format!("{} login", name.as_str())))
}

fn offline(identity: &Identity, why: String) -> Me {
    Me { id: identity.subject.clone(), balance_error: Some(why), ..Me::default() }
}

fn text(me: &Me) -> String {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| NOTHING.to_owned());
    let mut rows = vec![("id", known(&me.id))];
    let rest = [("name", &me.display_name), ("email", &me.email), ("subject", &me.logto_sub), ("status", &me.status)];
    rows.extend(rest.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    rows.push(("balance", me.balance_usd.map_or_else(|| NOTHING.to_owned(), |balance| balance.0.to_string())));
    block_text(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_a_block() {
        let me: Me = serde_json::from_str(
            r#"{"id":"f4a8","display_name":"Agent","email":"agent@example.com","logto_sub":null,"balance_usd":"0","status":"active"}"#,
        )
        .unwrap();
        let expected = "id:      f4a8\nname:    Agent\nemail:   agent@example.com\nstatus:  active\nbalance: $0.00";
        assert_eq!(text(&me), expected);
    }

    #[test]
    fn offline_the_balance_is_not_known() {
        let identity =
            Identity { subject: Some("usr_1".to_owned()), ..Identity::of_variable("V", "https://api.example") };
        let me = offline(&identity, "no daemon is running".to_owned());
        assert_eq!(text(&me), "id:      usr_1\nbalance: —");
        let document = serde_json::to_value(&me).unwrap();
        assert_eq!(document["balance_usd"], serde_json::Value::Null);
        assert_eq!(
            (&document["balance_error"], &document["email"]),
            (&"no daemon is running".into(), &serde_json::Value::Null)
        );
    }
}
