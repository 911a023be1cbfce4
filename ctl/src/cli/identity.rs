//! Who is signed in: asked of the daemon where one answers, else read from the file. No network, and no daemon needed.

use bitrouter_proto::{
    account::{DEFAULT_SERVER, Identity, NOT_SIGNED_IN, TokenState, sign_in_command},
    client::{AccountKey, Client},
    clock, credential_file, env,
    files::PlaceError,
    paths::Places,
    terminal::visible_line,
};
use credential_file::UnusableFile;

use crate::{context::Context, exit::Failure};

/// The key of an account that this command's own environment holds: it beats what is stored.
pub(super) fn exported_key(context: &Context) -> Option<AccountKey> {
    let environment = &context.environment;
    let url = environment.text(env::BITROUTER_API_URL).or_else(|| environment.text(env::BITROUTER_OAUTH_AS));
    Some(AccountKey { key: environment.secret(env::BITROUTER_API_KEY)?, url: url.map(str::to_owned) })
}

/// Who the key of an account is that this command's own environment holds, as far as that can be told here.
pub(super) fn exported(context: &Context) -> Option<Identity> {
    let key = exported_key(context)?;
    let server = key.url.as_deref().unwrap_or(DEFAULT_SERVER);
    Some(Identity::of_variable(env::BITROUTER_API_KEY, &visible_line(server)))
}

/// The daemon, where it may be told the key of the environment (`with_key`).
///
/// # Errors
/// Where it is another user's: that one is told no key.
pub(super) async fn trusted(context: &Context, with_key: bool) -> Result<Client, Failure> {
    let client = context.connect().await?;
    if with_key && client.is_foreign() {
        let message = "`BITROUTER_API_KEY` is set, and another user's daemon is told no key";
        return Err(Failure::caller("foreign_daemon", message));
    }
    Ok(client)
}

/// Who is signed in.
///
/// # Errors
/// Where nobody is, or what is stored cannot be used.
pub(super) fn identity(context: &Context) -> Result<Identity, Failure> {
    let key = exported_key(context);
    if let Some(answer) = context.block_on(async { Ok(asked(context, key.as_ref()).await) })? {
        return answer;
    }
    exported(context).map_or_else(|| stored(context), Ok)
}

/// What the daemon says; `None` where none answers in a moment.
async fn asked(context: &Context, key: Option<&AccountKey>) -> Option<Result<Identity, Failure>> {
    let client = context.connect().await.ok()?;
    // Another user's daemon is told no key, and knows nothing of whose it is.
    if key.is_some() && client.is_foreign() {
        return None;
    }
    let told = client.who_am_i(key).await.ok()?;
    Some(match (told.identity, told.problem) {
        (Some(identity), _) => Ok(identity),
        // The file itself says best what helps, where it is ours.
        (None, Some(problem)) if client.is_foreign() => Err(unusable(problem)),
        (None, Some(problem)) => stored(context).and(Err(unusable(problem))),
        (None, None) => Err(not_signed_in()),
    })
}

/// What the file says.
pub(super) fn stored(context: &Context) -> Result<Identity, Failure> {
    let path = credential_file::path(&Places::of(&context.environment)?);
    match credential_file::read(&path) {
        Ok(Some(credential)) => Ok(shown(Identity::stored(&credential, false, &path, clock::wall_now()))),
        Ok(None) => Err(not_signed_in()),
        Err(error) => Err(unreadable(&error)),
    }
}

/// A server chose what stands in the file, and a terminal obeys what it is shown.
fn shown(identity: Identity) -> Identity {
    let line = |text: String| visible_line(&text).into_owned();
    Identity {
        base_url: line(identity.base_url),
        authorization_server: identity.authorization_server.map(line),
        client_id: identity.client_id.map(line),
        namespace_id: identity.namespace_id.map(line),
        subject: identity.subject.map(line),
        scope: identity.scope.map(line),
        ..identity
    }
}

/// Says that the session has ended, where it has, with the command that signs in again to the same place.
pub(super) fn note_end(context: &Context, identity: &Identity) {
    if identity.token_state == TokenState::Ended {
        let command = login_again(identity);
        context.printer.stderr(&format!("note: the session has ended; to sign in again: {command}"));
    }
}

pub(super) fn login_again(identity: &Identity) -> String {
    let elsewhere = Some(identity.base_url.as_str()).filter(|server| *server != DEFAULT_SERVER);
    sign_in_command(identity.own_login.as_deref(), elsewhere)
}

/// Nobody is signed in.
pub(super) fn not_signed_in() -> Failure {
    Failure::caller("not_signed_in", NOT_SIGNED_IN).hint("bitrouter auth login")
}

fn unreadable(error: &UnusableFile) -> Failure {
    match error {
        // What is wrong says the cure itself.
        UnusableFile::Exposed { .. } | UnusableFile::Place(PlaceError::Io { .. }) => {
            Failure::caller(BAD, error.to_string())
        }
        _ => unusable(error.to_string()),
    }
}

const BAD: &str = "bad_credential";

/// A sign-in puts the file aside and writes another.
fn unusable(problem: String) -> Failure {
    Failure::caller(BAD, problem).hint("bitrouter auth login")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_ended_is_signed_in_again_where_it_was() {
        for (server, own_login, command) in [
            (DEFAULT_SERVER, None, "bitrouter auth login"),
            ("https://node.example", None, "bitrouter auth login --oauth-as https://node.example"),
            ("https://node.example/a b", None, "bitrouter auth login --oauth-as 'https://node.example/a b'"),
            ("http://127.0.0.1:4356", Some(" --local"), "bitrouter auth login --local"),
            ("http://127.0.0.1:4356", None, "bitrouter auth login --oauth-as http://127.0.0.1:4356"),
        ] {
            let own_login = own_login.map(str::to_owned);
            let identity = Identity { own_login, ..Identity::of_variable("V", server) };
            assert_eq!(login_again(&identity), command);
        }
    }
}
