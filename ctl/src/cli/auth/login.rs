//! `auth login`: the daemon signs in, and tells how far it is. Going away cancels it on both sides.

use std::io::{IsTerminal as _, stdin};

use bitrouter_proto::{
    client::{Client, Login, LoginEvent, LoginEvents},
    codes::exit,
    env,
};
use clap::Args;
use secrecy::SecretString;

use super::progress::{Progress, link};
use crate::{
    browser,
    cli::{cloud::LocalFlags, everyday::advised, secret_line},
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
    interrupt::Interrupt,
    launch,
    name::Name,
};

#[derive(Args, Debug)]
pub(in crate::cli) struct LoginArgs {
    /// Sign in at this server [default: `BITROUTER_OAUTH_AS`, else `[account] oauth_as`, else https://api.bitrouter.ai]
    #[arg(long, value_name = "URL", conflicts_with = "local")]
    oauth_as: Option<String>,

    /// Sign in as this OAuth client [default: `BITROUTER_OAUTH_CLIENT_ID`, else `[account] client_id`, else bitrouter-cli]
    #[arg(long, value_name = "ID", conflicts_with_all = ["local", "api_key_stdin"])]
    client_id: Option<String>,

    /// Ask for these scopes and no others [default: `BITROUTER_OAUTH_SCOPE`, else `[account] scope`, else all but the sensitive]
    #[arg(long, value_name = "SCOPES", conflicts_with = "api_key_stdin")]
    scope: Option<String>,

    /// Only show the link
    #[arg(long)]
    no_browser: bool,

    /// Store an API key, which is one line of standard input, instead of a session
    #[arg(long, conflicts_with = "local")]
    api_key_stdin: bool,

    /// Sign in to this daemon's own node, as its owner and without a browser
    #[arg(long)]
    local: bool,

    /// The namespace to sign in to, by id or name [default: the node's first one]
    #[arg(long, value_name = "NAMESPACE", requires = "local")]
    namespace: Option<String>,

    #[command(flatten)]
    daemon: ServeFlags,
}

impl LoginArgs {
    /// Those of a sign-in at the one server of its command, or to the own node.
    pub(in crate::cli) fn plain(no_browser: bool, local: bool, namespace: Option<String>, daemon: ServeFlags) -> Self {
        let (oauth_as, client_id, scope) = (None, None, None);
        Self { oauth_as, client_id, scope, no_browser, api_key_stdin: false, local, namespace, daemon }
    }
}

/// Signs in, for the command `verb`. Where no flag names another, `server` is where: it says itself how, or is an authorization
/// server.
pub(in crate::cli) fn run(
    context: &Context,
    args: &LoginArgs,
    verb: &str,
    server: Option<String>,
) -> Result<Status, Failure> {
    signed_in(context, args, verb, server).map_err(|failure| {
        if context.name() == Name::Tokenroute {
            advised(context, failure, verb, &LocalFlags::default())
        } else {
            failure
        }
    })
}

fn signed_in(context: &Context, args: &LoginArgs, verb: &str, server: Option<String>) -> Result<Status, Failure> {
    // Beside a flag that excludes `--local` the parser does not ask for it.
    if args.namespace.is_some() && !args.local {
        let message = "`--namespace` needs `--local`: elsewhere the namespace is chosen where the sign-in is approved";
        let help = format!("{} {verb} --help", context.name().as_str());
        return Err(Failure::caller("bad_argument", message).hint(help));
    }
    if let Some(ended) = launch::ensure_daemon(context, &args.daemon, verb)? {
        return Ok(ended);
    }
    let how = how(context, args, server)?;
    let done = context.block_on(async {
        let interrupt = Interrupt::listen()?;
        let client = context.connect().await?;
        let mut progress = Progress::new(context.printer, context.name());
        let signed_in = async {
            refuse_key_of_ours(&client, &how)?;
            let mut events = client.login(how).await?;
            follow(context, &mut progress, &mut events, !args.no_browser && !client.is_foreign()).await
        };
        let ended = tokio::select! {
            ended = signed_in => ended,
            // What is dropped with the other branch ends the stream, and with it the sign-in.
            () = interrupt.pressed() => Err(Failure::interrupted()),
        };
        progress.end_line();
        ended
    });
    let is_beaten = context.name() == Name::Bitrouter && context.environment.text(env::BITROUTER_API_KEY).is_some();
    if done.is_ok() && is_beaten {
        context.printer.stderr("note: `BITROUTER_API_KEY` is set here, and beats what is stored");
    }
    done.map(|()| Status(exit::OK))
}

/// Tells every event, until somebody is signed in.
async fn follow(
    context: &Context,
    progress: &mut Progress,
    events: &mut LoginEvents,
    may_open: bool,
) -> Result<(), Failure> {
    loop {
        match events.next().await? {
            Some(LoginEvent::Code(code)) => {
                let link = link(&code)?;
                progress.code(&code, link)?;
                if may_open && context.printer.is_watched && stdin().is_terminal() {
                    browser::open(&context.environment, link);
                }
            }
            Some(LoginEvent::Waiting { remaining_s, trouble }) => progress.waiting(remaining_s, trouble.as_deref())?,
            Some(LoginEvent::Done { identity, put_aside }) => return progress.done(&identity, put_aside.as_deref()),
            None => {
                let message = "the daemon ended before anybody was signed in";
                return Err(Failure::unreachable("connection_broken", message).hint("bitrouter status"));
            }
        }
    }
}

/// How to sign in: flags before variables; what neither says is as the daemon is set. Empty is absent.
fn how(context: &Context, args: &LoginArgs, server: Option<String>) -> Result<Login, Failure> {
    let or = |flag: &Option<String>, names: &[&str]| {
        let flag = flag.as_deref().filter(|text| !text.is_empty());
        flag.or_else(|| names.iter().find_map(|name| context.environment.text(name))).map(str::to_owned)
    };
    // Settings of the other name are none of tokenroute's.
    if context.name() == Name::Tokenroute && !args.local {
        let api_url = server.unwrap_or_default();
        return Ok(Login::Discovered { api_url, client_id: None, scope: None });
    }
    let scope = || or(&args.scope, &[env::BITROUTER_OAUTH_SCOPE]);
    if args.local {
        return Ok(Login::Local { namespace: args.namespace.clone(), scope: scope() });
    }
    if args.api_key_stdin {
        let url = or(&args.oauth_as, &[env::BITROUTER_API_URL, env::BITROUTER_OAUTH_AS]);
        return Ok(Login::ApiKey { key: api_key(context)?, url });
    }
    let client_id = or(&args.client_id, &[env::BITROUTER_OAUTH_CLIENT_ID]);
    if let (Some(api_url), None) = (server, args.oauth_as.as_deref().filter(|url| !url.is_empty())) {
        return Ok(Login::Discovered { api_url, client_id, scope: scope() });
    }
    Ok(Login::Device { oauth_as: or(&args.oauth_as, &[env::BITROUTER_OAUTH_AS]), client_id, scope: scope() })
}

/// The key, as one line of standard input. A terminal would show what is typed: there it is asked for.
fn api_key(context: &Context) -> Result<SecretString, Failure> {
    key(secret_line::read(context, "API key: ")?)
}

/// A line as a key. What is none is not repeated.
fn key(line: Vec<u8>) -> Result<SecretString, Failure> {
    let is_plain = line.iter().all(u8::is_ascii_graphic);
    let text = String::from_utf8(line).ok().filter(|text| is_plain && text.starts_with("brk_"));
    text.map(SecretString::from).ok_or_else(|| {
        let message = "the first line of standard input is no API key: one begins with `brk_` and is plain text";
        Failure::caller("bad_key", message)
    })
}

/// What another user's daemon stores is that user's.
fn refuse_key_of_ours(client: &Client, how: &Login) -> Result<(), Failure> {
    if client.is_foreign() && matches!(how, Login::ApiKey { .. }) {
        return Err(Failure::caller("foreign_daemon", "another user's daemon is told no key"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::env::Environment;
    use clap::Parser;

    use super::*;
    use crate::render::Printer;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: LoginArgs,
    }

    fn asked(words: &str, variables: &[(&str, &str)]) -> Login {
        asked_as("bitrouter", words, variables, None)
    }

    fn asked_as(program: &str, words: &str, variables: &[(&str, &str)], server: Option<&str>) -> Login {
        let environment: Environment = variables.iter().copied().collect();
        let printer = Printer::new(false, &environment);
        let context = Context { environment, program: program.into(), socket: None, no_autostart: true, printer };
        let line = Line::try_parse_from(format!("login {words}").split_whitespace()).unwrap();
        how(&context, &line.args, server.map(str::to_owned)).unwrap()
    }

    #[test]
    fn flags_beat_variables_and_empty_is_absent() {
        let variables = [("BITROUTER_OAUTH_AS", "https://v.example"), ("BITROUTER_OAUTH_SCOPE", "a b")];
        for (words, server) in [
            ("", Some("https://v.example")),
            ("--oauth-as=https://f.example", Some("https://f.example")),
            ("--oauth-as=", Some("https://v.example")),
        ] {
            let Login::Device { oauth_as, client_id, scope } = asked(words, &variables) else { panic!("{words}") };
            assert_eq!((oauth_as.as_deref(), client_id, scope.as_deref()), (server, None, Some("a b")), "{words}");
        }
        let empty = asked("", &[("BITROUTER_OAUTH_AS", ""), ("BITROUTER_OAUTH_CLIENT_ID", "brc_1")]);
        assert!(matches!(empty, Login::Device { oauth_as: None, client_id: Some(_), scope: None }), "{empty:?}");
        let local = asked("--local --namespace work", &variables);
        assert!(matches!(local, Login::Local { namespace: Some(_), scope: Some(_) }), "{local:?}");
    }

    #[test]
    fn a_server_that_is_named_says_itself_how() {
        let variables = [("BITROUTER_OAUTH_AS", "https://v.example"), ("BITROUTER_OAUTH_SCOPE", "a b")];
        let server = Some("https://s.example");
        let Login::Discovered { api_url, client_id, scope } = asked_as("bitrouter", "", &variables, server) else {
            panic!("another server")
        };
        assert_eq!((api_url.as_str(), client_id, scope.as_deref()), ("https://s.example", None, Some("a b")));
        let flag = asked_as("bitrouter", "--oauth-as https://f.example", &variables, server);
        assert!(matches!(flag, Login::Device { oauth_as: Some(_), .. }), "{flag:?}");
        let other = asked_as("tokenroute", "", &variables, server);
        assert!(matches!(other, Login::Discovered { client_id: None, scope: None, .. }), "{other:?}");
        assert!(matches!(asked_as("tokenroute", "--local", &[], server), Login::Local { .. }));
    }

    #[test]
    fn what_excludes_each_other_is_a_mistake() {
        for words in [
            "--namespace work",
            "--local --oauth-as https://x",
            "--local --client-id x",
            "--local --api-key-stdin",
            "--api-key-stdin --scope a",
            "--api-key-stdin --client-id x",
        ] {
            assert!(Line::try_parse_from(format!("login {words}").split_whitespace()).is_err(), "{words}");
        }
    }

    #[test]
    fn p03_a_line_that_is_no_key_is_not_repeated() {
        assert!(key(b"brk_01.secret".to_vec()).is_ok());
        for line in ["", "canary", "brk_a canary", "brk_\u{e9}canary", " brk_canary"] {
            let error = key(line.as_bytes().to_vec()).unwrap_err();
            assert!(!format!("{error:?}").contains("canary"), "{line}");
        }
    }
}
