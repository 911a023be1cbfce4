//! The account's own provider as a manifest: where each dialect is at its server. There is no file of it, since the server
//! is whichever one the user signed in to.

use std::{collections::BTreeMap, path::PathBuf};

use super::{Auth, Endpoint, Kind, Manifest, Model, OutputCap, ProviderId, RegistryError};
use crate::protocol::Dialect;

/// The manifest of the account at `server`: OpenAI's and Anthropic's dialects below `/v1`, Google's below `/v1beta`, all
/// with `Authorization: Bearer`.
pub(super) fn account_manifest(server: &str, models: Vec<Model>) -> Result<Manifest, RegistryError> {
    let server = server.trim_end_matches('/');
    let google = Endpoint { url: format!("{server}/v1beta"), header: None, scheme: None };
    Ok(Manifest {
        id: ProviderId::parse(ProviderId::ACCOUNT)?,
        name: "BitRouter account".to_owned(),
        kind: Kind::Cloud,
        endpoint: format!("{server}/v1"),
        protocols: vec![Dialect::ChatCompletions, Dialect::Responses, Dialect::Messages],
        auth: Auth::default(),
        endpoints: BTreeMap::from([(Dialect::GenerateContent, google)]),
        stream_usage: true,
        payment_modes: Vec::new(),
        output_cap: OutputCap::default(),
        tools: Vec::new(),
        models,
        file: PathBuf::from("the account"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        protocol::Verb,
        registry::{Catalog, shipped},
    };

    #[test]
    fn each_dialect_has_its_place_at_the_accounts_server() {
        let catalog = Catalog::build(shipped().unwrap(), vec![], BTreeMap::new(), false).unwrap();
        let at_default = catalog.account().unwrap();
        assert_eq!(at_default.account_server(), Some("https://api.bitrouter.ai"));
        assert_eq!(at_default.key_variables(), ["BITROUTER_API_KEY"]);
        assert!(at_default.needs_key() && at_default.kind() == Kind::Cloud && at_default.models().is_empty());

        let model = Model { id: "m".to_owned(), ..Model::default() };
        let catalog = catalog.with_account("http://127.0.0.1:9/base", vec![model]).unwrap();
        let account = catalog.account().unwrap();
        assert!(account.is_account() && account.model("m").is_some());
        let at = |dialect| account.target(dialect).unwrap();
        let generate = |dialect| at(dialect).fixed(Verb::Generate).unwrap().path().to_owned();
        assert_eq!(generate(Dialect::ChatCompletions), "/base/v1/chat/completions");
        assert_eq!(generate(Dialect::Responses), "/base/v1/responses");
        assert_eq!(generate(Dialect::Messages), "/base/v1/messages");
        assert_eq!(at(Dialect::GenerateContent).below("/models/m:x").unwrap().path(), "/base/v1beta/models/m:x");
        assert_eq!(at(Dialect::ChatCompletions).model_list.path(), "/base/v1/models");
        for dialect in Dialect::ALL {
            let target = at(dialect);
            assert_eq!((target.auth_header.as_str(), target.auth_prefix.as_str()), ("authorization", "Bearer "));
            assert!(target.user_set && target.origin.url == "http://127.0.0.1:9", "{dialect}");
        }
        assert!(catalog.find("openai").is_some_and(|openai| !openai.is_account()));
    }
}
