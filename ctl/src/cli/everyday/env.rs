//! `env`: a key and the address that it opens, as a `.env` file or a shell reads them.

use std::ops::ControlFlow;

use bitrouter_proto::{codes::exit, shell};
use clap::{Args, ValueEnum};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{
    endpoint::{Endpoint, KeyFlags, Wanted},
    whom::Whom,
};
use crate::{
    context::Context,
    exit::{Failure, Status},
};

/// How the output is used.
pub(super) const EXAMPLES: &str = "\
How to use it, the program's name before it:
  env >> .env                              the next program that reads the file
  eval \"$(… env --format export)\"          bash and zsh
  … env --format fish | source             fish";

/// What stands for a key where none is needed: a caller of this machine's own user. It is never taken for a provider's key.
pub(super) const PLACEHOLDER: &str = "bitrouter-local";

const KEY: &str = "OPENAI_API_KEY";
const BASE_URL: &str = "OPENAI_BASE_URL";

#[derive(Args, Debug)]
pub(in crate::cli) struct EnvArgs {
    #[command(flatten)]
    key: KeyFlags,

    /// The address of the account that is signed in, and no other
    #[arg(long, conflicts_with = "local")]
    cloud: bool,

    /// Who is to read it
    #[arg(long, value_name = "FORMAT", default_value = "dotenv")]
    format: Format,

    #[command(flatten)]
    whom: Whom,
}

/// Who reads the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A .env file
    Dotenv,
    /// A POSIX shell
    Export,
    /// fish
    Fish,
    /// A program
    Json,
}

pub(super) fn run(context: &Context, args: &EnvArgs) -> Result<Status, Failure> {
    let wanted = Wanted { verb: "env", of_account: args.cloud, hands_out: true };
    let endpoint = match args.key.endpoint(context, &args.whom, wanted)? {
        ControlFlow::Continue(endpoint) => endpoint,
        ControlFlow::Break(ended) => return Ok(ended),
    };
    let format = if context.printer.json { Format::Json } else { args.format };
    context.printer.stdout_important(&text(&endpoint, format))?;
    Ok(Status(exit::OK))
}

fn text(endpoint: &Endpoint, format: Format) -> String {
    let key = endpoint.key.as_ref().map_or(PLACEHOLDER, |key| key.expose_secret());
    let pairs = [(KEY, key), (BASE_URL, &endpoint.base_url)];
    let lines =
        |line: fn(&str, &str) -> String| pairs.map(|(name, value)| line(name, &shell::quoted(value))).join("\n");
    match format {
        Format::Dotenv => lines(|name, value| format!("{name}={value}")),
        Format::Export => lines(|name, value| format!("export {name}={value}")),
        Format::Fish => lines(|name, value| format!("set -gx {name} {value}")),
        Format::Json => format!("{:#}", json!({ KEY: key, BASE_URL: endpoint.base_url })),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    #[test]
    fn each_reader_has_its_form() {
        let own = Endpoint { key: None, base_url: "http://127.0.0.1:4356/v1".to_owned(), is_own: true };
        let dotenv = "OPENAI_API_KEY=bitrouter-local\nOPENAI_BASE_URL=http://127.0.0.1:4356/v1";
        assert_eq!(text(&own, Format::Dotenv), dotenv);
        let other = Endpoint {
            key: Some(SecretString::from("sk-tr-a")),
            base_url: "http://[::1]:1/v1".to_owned(),
            is_own: false,
        };
        let export = "export OPENAI_API_KEY=sk-tr-a\nexport OPENAI_BASE_URL='http://[::1]:1/v1'";
        assert_eq!(text(&other, Format::Export), export);
        let fish = "set -gx OPENAI_API_KEY sk-tr-a\nset -gx OPENAI_BASE_URL 'http://[::1]:1/v1'";
        assert_eq!(text(&other, Format::Fish), fish);
        let json: serde_json::Value = serde_json::from_str(&text(&other, Format::Json)).unwrap();
        assert_eq!(json, json!({"OPENAI_API_KEY": "sk-tr-a", "OPENAI_BASE_URL": "http://[::1]:1/v1"}));
    }
}
