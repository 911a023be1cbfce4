//! `cloud byok`: provider keys that a person brings. A key is sealed here, before anything of it leaves the process.

use std::{
    io::{IsTerminal as _, stderr, stdin},
    ops::ControlFlow,
};

use bitrouter_proto::{
    account::{
        List,
        byok::{NewStoredKey, StoredKey, SubmittedKey},
        seal::{LONGEST, check_key, sealed},
    },
    client::{Asked, Client, ClientError, IdempotencyKey, Told},
    codes::exit,
    key_variable,
};
use clap::{Args, Subcommand};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};

use super::{
    policy::flag_text,
    target::{Target, WideFlag},
};
use crate::{
    cli::{misuse::misused, secret_line, typing::Typing},
    context::Context,
    exit::{Failure, Status},
    render::{Column, Shown, block_text, table_text, when},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ByokVerb {
    /// List the provider keys that you have stored, without themselves
    List {
        #[command(flatten)]
        wide: WideFlag,
        #[command(flatten)]
        target: Target,
    },
    /// Store a provider key, in the place of the one for the same provider; it is sealed before it leaves this command
    Set(SetArgs),
    /// Delete a provider key: calls that run end with it
    Delete {
        /// Which: the provider's id
        #[arg(value_name = "PROVIDER")]
        provider: String,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Args, Debug)]
pub(in crate::cli) struct SetArgs {
    /// The provider's id in the registry
    #[arg(long)]
    provider: String,

    /// Take the key from this variable [default: those that the provider's key is read from, in their order]
    #[arg(long, value_name = "VAR", num_args = 0..=1, default_missing_value = "")]
    from_env: Option<String>,

    /// Take the key from one line of standard input, instead of asking for it
    #[arg(long, conflicts_with = "from_env")]
    key_stdin: bool,

    /// Where the key is to be sent instead of the provider's own address, like https://host/v1
    #[arg(long, value_name = "URL")]
    api_base: Option<String>,

    /// A key that is sealed already, in base64
    #[arg(long, value_name = "BASE64", requires_all = ["kek_id", "key_prefix"], conflicts_with_all = ["from_env", "key_stdin"])]
    ciphertext_b64: Option<String>,

    /// What it is sealed against
    #[arg(long, value_name = "KEK", requires = "ciphertext_b64")]
    kek_id: Option<String>,

    /// How the key begins, like sk-ant-
    #[arg(long, value_name = "PREFIX", requires = "ciphertext_b64", allow_hyphen_values = true)]
    key_prefix: Option<String>,

    #[command(flatten)]
    target: Target,
}

const LIST: &str = "cloud byok list";
const SET: &str = "cloud byok set";
const DELETE: &str = "cloud byok delete";

/// The member of a submission that says what the key is sealed against.
const KEK: &str = "kek_id";

/// The columns of stored keys.
const COLUMNS: [Column; 8] = [
    Column::new("PROVIDER", 20),
    Column::new("PREFIX", 10),
    Column::new("KEK", 24).rank(2),
    Column::new("LAST USED", 10),
    Column::new("LAST FAILURE", 12).rank(1),
    Column::new("SENT TO", 30).shortened(),
    Column::new("UPDATED", 10).only_wide(),
    Column::new("CREATED", 10).only_wide(),
];

pub(super) fn run(context: &Context, verb: &ByokVerb) -> Result<Status, Failure> {
    match verb {
        ByokVerb::List { wide, target } => {
            let call = async |client: &Client, asked: &Asked| client.list_stored_keys(asked).await;
            let shown = wide.shown(context);
            target.list(context, LIST, call, |rows| list_text(rows, shown), "no byok keys")
        }
        ByokVerb::Set(args) => set(context, args),
        ByokVerb::Delete { provider, target } => {
            let call = async |client: &Client, asked: &Asked| client.delete_stored_key(asked, provider).await;
            target.show(context, DELETE, call, |deleted| flag_text("deleted", *deleted))
        }
    }
}

fn set(context: &Context, args: &SetArgs) -> Result<Status, Failure> {
    let SetArgs { provider, api_base, ciphertext_b64, kek_id, key_prefix, target, .. } = args;
    if let (Some(ciphertext_b64), Some(kek_id), Some(key_prefix)) = (ciphertext_b64, kek_id, key_prefix) {
        let new = NewStoredKey {
            provider_name: provider.clone(),
            ciphertext_b64: ciphertext_b64.clone(),
            kek_id: kek_id.clone(),
            key_prefix: key_prefix.clone(),
            api_base: api_base.clone(),
        };
        let once = IdempotencyKey::new();
        return target.show(
            context,
            SET,
            async |client, asked| client.submit_stored_key(asked, &new, &once).await,
            submitted_text,
        );
    }
    // Before the key is asked for: nobody types one for nothing.
    if let Some(ended) = target.start(context, SET)? {
        return Ok(ended);
    }
    let key = key(context, args)?;
    let told = match target.ask(context, SET, async |client, asked| submit(client, asked, args, &key).await)? {
        ControlFlow::Continue(told) => told?,
        ControlFlow::Break(ended) => return Ok(ended),
    };
    context.printer.document(&told.json)?;
    context.printer.stdout(&submitted_text(&told.read))?;
    Ok(Status(exit::OK))
}

/// Seals the key against what is current, and submits it. Where that was replaced in between, once more.
async fn submit(
    client: &Client,
    asked: &Asked,
    args: &SetArgs,
    key: &SecretString,
) -> Result<Result<Told<SubmittedKey>, Failure>, ClientError> {
    // Whoever hands out a public key of their own can read what is sealed against it.
    if client.is_foreign() {
        let message = "another user's daemon is told no key, sealed or not";
        return Ok(Err(Failure::caller("foreign_daemon", message)));
    }
    let mut is_first = true;
    loop {
        let against = client.sealing_key(asked).await?;
        let new = match sealed(&against, &args.provider, key, args.api_base.clone()) {
            Ok(new) => new,
            Err(error) => return Ok(Err(Failure::caller("bad_key", error.to_string()))),
        };
        match client.submit_stored_key(asked, &new, &IdempotencyKey::new()).await {
            Err(ClientError::Refused(refusal)) if is_first && refusal.field.as_deref() == Some(KEK) => is_first = false,
            told => return told.map(Ok),
        }
    }
}

/// The key: from a variable, from standard input, or as somebody types it. Never an argument.
fn key(context: &Context, args: &SetArgs) -> Result<SecretString, Failure> {
    if let Some(name) = &args.from_env {
        return from_env(context, name, &args.provider);
    }
    if args.key_stdin && !stdin().is_terminal() {
        return checked(secret_line::first()?);
    }
    if !stdin().is_terminal() || !stderr().is_terminal() {
        let message = "the key is asked for on a terminal, read from standard input, or taken from a variable";
        let hint = format!("bitrouter {SET} --provider {} --key-stdin", args.provider);
        return Err(Failure::caller("no_key", message).hint(hint));
    }
    let unseen = Typing::unseen()?;
    checked(secret_line::ask(context, &unseen, &format!("key for `{}` (not shown): ", args.provider))?)
}

fn from_env(context: &Context, name: &str, provider: &str) -> Result<SecretString, Failure> {
    let tried = match name {
        "" => variables_of(context, provider)?,
        name => vec![name.to_owned()],
    };
    if let Some(wrong) = tried.iter().find(|name| key_variable::check(name).is_err()) {
        // People paste the key itself.
        let message = if name.is_empty() {
            format!("`{wrong}` is no variable of a provider's key")
        } else {
            "`--from-env` takes the name of a variable (upper-case letters, digits and `_`), never a key".to_owned()
        };
        return Err(misused(SET, message));
    }
    let found = tried.iter().find_map(|name| context.environment.secret(name));
    let key = found.ok_or_else(|| {
        let said: Vec<String> = tried.iter().map(|name| format!("`{name}`")).collect();
        Failure::caller("no_key", format!("{} is not set here", said.join(" or ")))
    })?;
    checked(key.expose_secret().as_bytes().to_vec())
}

/// The variables from which the daemon would take the provider's key, in its order. Of a provider that only another server knows
/// those that are usual.
fn variables_of(context: &Context, provider: &str) -> Result<Vec<String>, Failure> {
    let told = context.wait(async { Ok(context.connect().await?.variable_names_of(provider).await?) })?;
    Ok(if told.is_empty() { vec![key_variable::own(provider), passthrough(provider)] } else { told })
}

/// The name that a provider's own tools read its key from.
fn passthrough(provider: &str) -> String {
    format!("{}_API_KEY", provider.to_ascii_uppercase().replace('-', "_"))
}

/// Bytes as a key, without what blanks stand around it. What is none is not repeated.
fn checked(bytes: Vec<u8>) -> Result<SecretString, Failure> {
    let bytes = Zeroizing::new(bytes);
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    if QUOTES.iter().any(|quote| text.starts_with(*quote) || text.ends_with(*quote)) {
        let message = "what was given stands in quotation marks, which no provider's key begins or ends with: give it without them";
        return Err(Failure::caller("bad_key", message));
    }
    if check_key(text).is_err() {
        let message = format!("what was given is no key: one is 1 to {LONGEST} printable ASCII characters on one line");
        return Err(Failure::caller("bad_key", message));
    }
    Ok(SecretString::from(text))
}

/// What a key was copied with by mistake.
const QUOTES: [char; 7] = ['"', '\'', '`', '“', '”', '‘', '’'];

fn submitted_text(key: &SubmittedKey) -> String {
    block_text(&[
        ("provider", key.provider_name.clone()),
        ("kek_id", key.kek_id.clone()),
        ("prefix", key.key_prefix.clone()),
    ])
}

fn list_text(keys: &List<StoredKey>, shown: Shown) -> String {
    let for_people = matches!(shown, Shown::Terminal { .. });
    let at = |time: &Option<String>| time.as_ref().map_or_else(|| "—".to_owned(), |time| when(time, for_people));
    // What keeps it from paying now says more than what once went wrong.
    let failure = |key: &StoredKey| match (&key.unusable, &key.last_failure_kind) {
        (Some(why), _) => why.clone(),
        (None, Some(kind)) => format!("{kind} {}", at(&key.last_failure_at)),
        (None, None) => "—".to_owned(),
    };
    let row = |key: &StoredKey| {
        vec![
            key.provider_name.clone(),
            key.key_prefix.clone(),
            key.kek_id.clone(),
            at(&key.last_used_at),
            failure(key),
            key.api_base.clone().unwrap_or_else(|| "—".to_owned()),
            when(&key.updated_at, for_people),
            when(&key.created_at, for_people),
        ]
    };
    table_text(&COLUMNS, &keys.data.iter().map(row).collect::<Vec<_>>(), shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_keys_are_a_table() {
        let text = r#"{"data":[
            {"provider_name":"anthropic","kek_id":"kek_1","key_prefix":"sk-ant-","created_at":"2026-05-01T00:00:00.000Z","updated_at":"2026-05-01T00:00:00.000Z"},
            {"provider_name":"openai","kek_id":"kek_2","key_prefix":"sk-proj-","api_base":"https://eu.example/v1","created_at":"2026-05-01T00:00:00.000Z",
             "updated_at":"2026-05-02T00:00:00.000Z","last_used_at":"2026-05-03T00:00:00.000Z","last_failure_at":"2026-05-04T00:00:00.000Z","last_failure_kind":"rejected"},
            {"provider_name":"xai","kek_id":"kek_2","key_prefix":"","created_at":"2026-05-01T00:00:00.000Z","updated_at":"2026-05-02T00:00:00.000Z",
             "last_failure_at":"2026-05-04T00:00:00.000Z","last_failure_kind":"unusable","unusable":"not_taken"}]}"#;
        let rows: List<StoredKey> = serde_json::from_str(text).unwrap();
        let expected = "anthropic\tsk-ant-\tkek_1\t—\t—\t—\nopenai\tsk-proj-\tkek_2\t2026-05-03T00:00:00.000Z\trejected 2026-05-04T00:00:00.000Z\thttps://eu.example/v1\nxai\t\tkek_2\t—\tnot_taken\t—";
        assert_eq!(list_text(&rows, Shown::Piped { wide: false }), expected);
    }

    #[test]
    fn a_key_is_one_line_of_what_can_be_printed() {
        for good in ["sk-x", " sk-x\t", "\u{a0}sk-x\r\n"] {
            assert_eq!(checked(good.as_bytes().to_vec()).unwrap().expose_secret(), "sk-x");
        }
        for bad in [&b""[..], b" ", b"a\tb", b"\xff"] {
            let failure = checked(bad.to_vec()).unwrap_err();
            assert_eq!(failure.code, "bad_key");
        }
        for quoted in ["\"sk-x\"", "'sk-x'", "sk-x\"", " `sk-x` ", "“sk-x”"] {
            let failure = checked(quoted.as_bytes().to_vec()).unwrap_err();
            assert!(failure.message.contains("quotation marks") && !failure.message.contains("sk-x"), "{failure:?}");
        }
        assert_eq!(passthrough("open-router"), "OPEN_ROUTER_API_KEY");
    }
}
