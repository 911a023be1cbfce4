//! `cloud whoami`: who is signed in, and the server that `cloud` asks.

use bitrouter_proto::{account::Identity, codes::exit};

use crate::{
    cli::identity::{identity, note_end},
    context::Context,
    exit::{Failure, Status},
    render::block_text,
};

pub(super) fn run(context: &Context) -> Result<Status, Failure> {
    let identity = identity(context)?;
    context.printer.json(&identity.account_json())?;
    context.printer.stdout(&text(&identity))?;
    note_end(context, &identity);
    Ok(Status(exit::OK))
}

fn text(identity: &Identity) -> String {
    let authentication = match &identity.variable {
        Some(variable) => format!("{} (`{variable}`)", identity.authentication.as_str()),
        None => identity.authentication.as_str().to_owned(),
    };
    let mut rows = vec![("base url", identity.base_url.clone()), ("authentication", authentication)];
    let known = [
        ("namespace", &identity.namespace_id),
        ("subject", &identity.subject),
        ("scope", &identity.scope),
        ("credentials file", &identity.credentials_path),
    ];
    rows.extend(known.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))));
    block_text(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_comes_first() {
        let key = Identity::of_variable("BITROUTER_API_KEY", "https://api.example");
        let expected = "base url:       https://api.example\nauthentication: api_key (`BITROUTER_API_KEY`)";
        assert_eq!(text(&key), expected);
        let path = Some("/d/f".to_owned());
        let known = Identity { namespace_id: Some("ns_1".to_owned()), credentials_path: path, variable: None, ..key };
        assert!(text(&known).ends_with("api_key\nnamespace:        ns_1\ncredentials file: /d/f"));
    }
}
