//! `cloud oauth-client`: the programs that may ask the people of a namespace for tokens.

use std::ops::ControlFlow;

use bitrouter_proto::{
    account::{
        List,
        oauth_clients::{ClientType, GrantType},
        told::{AskedOauthClient, AskedOauthClientChange, ToldDeletedClient, ToldOauthClient, ToldRegisteredClient},
    },
    client::{Asked, Client, IdempotencyKey},
    codes::exit,
};
use clap::{Args, Subcommand, ValueEnum};
use secrecy::ExposeSecret as _;

use super::target::{Target, WideFlag};
use crate::{
    cli::misuse::misused,
    context::Context,
    exit::{Failure, Status},
    render::{Column, Shown, block_text, table_text},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum OauthClientVerb {
    /// List the OAuth clients of the namespace
    List {
        #[command(flatten)]
        wide: WideFlag,
        #[command(flatten)]
        target: Target,
    },
    /// Register a client; the secret of a confidential one is shown this once
    Register(RegisterArgs),
    /// Change a client; a list that is given replaces the one before
    Update(UpdateArgs),
    /// Delete a client: its tokens end, and the keys that were minted through it
    Delete {
        /// Which: `brc_…`
        #[arg(value_name = "CLIENT")]
        client: String,
        /// Let the keys live that were minted through it
        #[arg(long)]
        keep_keys: bool,
        #[command(flatten)]
        target: Target,
    },
}

/// Whether a client can keep a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum TypeWord {
    /// It can, and authenticates with one
    Confidential,
    /// It cannot
    Public,
}

/// How a client comes to tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(in crate::cli) enum GrantWord {
    /// By a browser that comes back to it
    AuthorizationCode,
    /// By renewing what it has
    RefreshToken,
    /// By a code that is approved somewhere else
    #[value(alias = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
}

impl TypeWord {
    fn wire(self) -> ClientType {
        match self {
            Self::Confidential => ClientType::Confidential,
            Self::Public => ClientType::Public,
        }
    }
}

impl GrantWord {
    fn wire(self) -> GrantType {
        match self {
            Self::AuthorizationCode => GrantType::AuthorizationCode,
            Self::RefreshToken => GrantType::RefreshToken,
            Self::DeviceCode => GrantType::DeviceCode,
        }
    }
}

#[derive(Args, Debug)]
pub(in crate::cli) struct RegisterArgs {
    /// What people read where it asks them
    #[arg(long)]
    name: String,

    /// Whether it can keep a secret
    #[arg(long = "type", value_name = "TYPE")]
    kind: TypeWord,

    /// Where a browser may be sent back to: https, or http to a loopback host (repeatable)
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,

    /// What it may ask for, like "policy:read usage:read": a part of what you may (repeatable) [default: inference:invoke]
    #[arg(long = "scope", value_name = "SCOPES")]
    scopes: Vec<String>,

    /// How it comes to tokens (repeatable)
    #[arg(long = "grant", value_name = "GRANT", required = true)]
    grants: Vec<GrantWord>,

    #[command(flatten)]
    target: Target,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct UpdateArgs {
    /// Which: `brc_…`
    #[arg(value_name = "CLIENT")]
    client: String,

    /// Call it this
    #[arg(long)]
    name: Option<String>,

    /// Where a browser may be sent back to (repeatable)
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,

    /// What it may ask for (repeatable)
    #[arg(long = "scope", value_name = "SCOPES")]
    scopes: Vec<String>,

    /// How it comes to tokens (repeatable)
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<GrantWord>,

    #[command(flatten)]
    target: Target,
}

/// The columns of clients.
const COLUMNS: [Column; 6] = [
    Column::new("CLIENT", 30),
    Column::new("NAME", 24).shortened(),
    Column::new("TYPE", 12),
    Column::new("GRANTS", 40).shortened().rank(1),
    Column::new("SCOPES", 40).shortened().rank(2),
    Column::new("REDIRECT URIS", 40).only_wide(),
];

const REGISTER: &str = "cloud oauth-client register";
const UPDATE: &str = "cloud oauth-client update";

pub(super) fn run(context: &Context, verb: &OauthClientVerb) -> Result<Status, Failure> {
    match verb {
        OauthClientVerb::List { wide, target } => {
            let call = async |client: &Client, asked: &Asked| client.list_oauth_clients(asked).await;
            let shown = wide.shown(context);
            target.list(context, "cloud oauth-client list", call, |rows| list_text(rows, shown), "no clients")
        }
        OauthClientVerb::Register(args) => register(context, args),
        OauthClientVerb::Update(args) => update(context, args),
        OauthClientVerb::Delete { client: id, keep_keys, target } => {
            let call = async |client: &Client, asked: &Asked| client.delete_oauth_client(asked, id, *keep_keys).await;
            target.show(context, "cloud oauth-client delete", call, end_text)
        }
    }
}

fn register(context: &Context, args: &RegisterArgs) -> Result<Status, Failure> {
    let new = AskedOauthClient {
        client_name: args.name.clone(),
        client_type: args.kind.wire().as_str().to_owned(),
        redirect_uris: some(&args.redirect_uris),
        allowed_scopes: scopes(REGISTER, &args.scopes)?,
        allowed_grant_types: grants(&args.grants),
    };
    let once = IdempotencyKey::new();
    let call = async |client: &Client, asked: &Asked| client.register_oauth_client(asked, &new, &once).await;
    let registered = match args.target.ask(context, REGISTER, call)? {
        ControlFlow::Continue(registered) => registered,
        ControlFlow::Break(ended) => return Ok(ended),
    };
    let printer = context.printer;
    printer.document(registered.json.expose_secret())?;
    printer.stdout(&registered_text(&registered.client))?;
    if registered.client.client_secret.is_some() {
        printer.stderr("note: the secret is shown this once; only its hash is kept");
    }
    Ok(Status(exit::OK))
}

fn update(context: &Context, args: &UpdateArgs) -> Result<Status, Failure> {
    let change = AskedOauthClientChange {
        client_name: args.name.clone(),
        redirect_uris: some(&args.redirect_uris),
        allowed_scopes: scopes(UPDATE, &args.scopes)?,
        allowed_grant_types: some(&grants(&args.grants)),
    };
    if change == AskedOauthClientChange::default() {
        let what = "nothing is to be changed: give `--name`, `--redirect-uri`, `--scope` or `--grant`";
        return Err(misused(UPDATE, what));
    }
    let call = async |client: &Client, asked: &Asked| client.update_oauth_client(asked, &args.client, &change).await;
    args.target.show(context, UPDATE, call, one_text)
}

fn some(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn grants(words: &[GrantWord]) -> Vec<String> {
    words.iter().map(|word| word.wire().as_str().to_owned()).collect()
}

/// The words of every `--scope`; `None` without any.
fn scopes(verb: &str, flags: &[String]) -> Result<Option<Vec<String>>, Failure> {
    let words: Vec<String> = flags.iter().flat_map(|flag| flag.split_whitespace()).map(str::to_owned).collect();
    // An empty variable in a script is no wish for what is usual.
    if words.is_empty() && !flags.is_empty() {
        return Err(misused(verb, "`--scope` names no scope"));
    }
    Ok(some(&words))
}

fn list_text(clients: &List<ToldOauthClient>, shown: Shown) -> String {
    let row = |client: &ToldOauthClient| {
        vec![
            client.client_id.clone(),
            client.client_name.clone(),
            client.client_type.clone(),
            client.allowed_grant_types.join(" "),
            client.allowed_scopes.join(" "),
            client.redirect_uris.join(" "),
        ]
    };
    table_text(&COLUMNS, &clients.data.iter().map(row).collect::<Vec<_>>(), shown)
}

fn one_text(client: &ToldOauthClient) -> String {
    block_text(&rows(
        [&client.client_id, &client.client_name, &client.client_type],
        [&client.redirect_uris, &client.allowed_scopes, &client.allowed_grant_types],
    ))
}

fn registered_text(client: &ToldRegisteredClient) -> String {
    let mut rows = rows(
        [&client.client_id, &client.client_name, &client.client_type],
        [&client.redirect_uris, &client.allowed_scopes, &client.allowed_grant_types],
    );
    rows.extend(client.client_secret.clone().map(|secret| ("client_secret", secret)));
    block_text(&rows)
}

fn rows([id, name, kind]: [&String; 3], [uris, scopes, grants]: [&Vec<String>; 3]) -> Vec<(&'static str, String)> {
    let mut rows = vec![("client_id", id.clone()), ("name", name.clone()), ("type", kind.clone())];
    if !uris.is_empty() {
        rows.push(("redirect uris", uris.join(" ")));
    }
    rows.extend([("scopes", scopes.join(" ")), ("grants", grants.join(" "))]);
    rows
}

fn end_text(end: &ToldDeletedClient) -> String {
    let mut rows = vec![("deleted", end.deleted.to_string())];
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

    const ROW: &str = r#""id":"brc_1","client_id":"brc_1","client_name":"my-agent","client_type":"confidential",
        "redirect_uris":["https://my-agent.example.com/cb"],"allowed_scopes":["inference:invoke","policy:read"],
        "allowed_grant_types":["authorization_code","refresh_token"]"#;

    #[test]
    fn clients_are_a_table() {
        let rows: List<ToldOauthClient> = serde_json::from_str(&format!("{{\"data\":[{{{ROW}}}]}}")).unwrap();
        let expected = "brc_1\tmy-agent\tconfidential\tauthorization_code refresh_token\tinference:invoke policy:read";
        assert_eq!(list_text(&rows, Shown::Piped { wide: false }), expected);
        let wide = list_text(&rows, Shown::Piped { wide: true });
        assert_eq!(wide, format!("{expected}\thttps://my-agent.example.com/cb"));
    }

    #[test]
    fn a_new_client_is_a_block_with_its_secret() {
        let client: ToldRegisteredClient =
            serde_json::from_str(&format!("{{{ROW},\"client_secret\":\"s3\"}}")).unwrap();
        let text = registered_text(&client);
        assert!(text.starts_with("client_id:     brc_1\nname:          my-agent\n"), "{text}");
        assert!(text.ends_with("\nclient_secret: s3"), "{text}");
        let public = ToldRegisteredClient { client_secret: None, ..client };
        assert!(!registered_text(&public).contains("secret"));
    }

    #[test]
    fn words_are_those_of_the_wire() {
        let words = |text: &str| GrantWord::from_str(text, false).map(|word| word.wire().as_str());
        for text in ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"] {
            assert_eq!(words(text), Ok(text));
        }
        assert_eq!(words("device_code"), Ok("urn:ietf:params:oauth:grant-type:device_code"));
        let types: Vec<_> = TypeWord::value_variants().iter().map(|word| word.wire().as_str()).collect();
        assert_eq!(types, ["confidential", "public"]);
    }

    #[test]
    fn an_end_counts_the_keys_where_the_server_does() {
        let end = ToldDeletedClient { deleted: true, keys_revoked: Some(2), keys_kept: None };
        assert_eq!(end_text(&end), "deleted:      true\nkeys revoked: 2");
        assert_eq!(end_text(&ToldDeletedClient { keys_revoked: None, ..end }), "deleted: true");
    }
}
