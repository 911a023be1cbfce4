//! What may stand where on a command line, as far as a daemon knows it. Pure.

use std::{collections::HashMap, path::PathBuf};

use bitrouter_proto::client::Completed;
use clap::{Arg, Command};

/// A place whose ids or names a daemon knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) what: Completed,
    /// Only words that begin so.
    pub(super) only: Option<&'static str>,
    /// Whose they are.
    pub(super) whose: Whose,
    /// `--socket`.
    pub(super) socket: Option<PathBuf>,
}

/// Whose ids and names are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those of the account that is signed in.
    Account,
    /// Those of the own node, in this namespace or its first one.
    Node(Option<String>),
}

/// The words of a command line as they are understood.
#[derive(Default)]
struct Line<'w> {
    verbs: Vec<&'w str>,
    places: Vec<&'w str>,
    flags: HashMap<String, &'w str>,
}

/// What may stand behind `words`, the program's name left out; `None` where that is nothing which a daemon knows.
pub(super) fn place(tree: &Command, words: &[&str]) -> Option<Place> {
    let mut line = Line::default();
    let (mut command, mut awaited) = (tree, None);
    for word in words {
        if let Some(flag) = awaited.take() {
            // Bash makes a word of its own of it.
            if *word == "=" {
                awaited = Some(flag);
            } else {
                line.flags.insert(flag, word);
            }
        } else if let Some((name, value)) = word.strip_prefix("--").and_then(|flag| flag.split_once('=')) {
            line.flags.insert(name.to_owned(), value);
        } else if word.len() > 1 && word.starts_with('-') {
            let flag = flag(tree, command, word)?;
            let name = flag.get_long()?.to_owned();
            if flag.get_action().takes_values() {
                awaited = Some(name);
            } else {
                line.flags.insert(name, "");
            }
        } else if let Some(below) = command.find_subcommand(word).filter(|_| line.places.is_empty()) {
            command = below;
            line.verbs.push(below.get_name());
        } else {
            line.places.push(word);
        }
    }
    let name = match awaited {
        Some(flag) => flag,
        None => command.get_positionals().nth(line.places.len())?.get_id().to_string(),
    };
    let (what, only) = line.what(&name)?;
    Some(Place { what, only, whose: line.whose(&name), socket: line.flags.get("socket").map(PathBuf::from) })
}

/// The flag that `word` is, of the command or of all.
fn flag<'t>(tree: &'t Command, command: &'t Command, word: &str) -> Option<&'t Arg> {
    let mut all = command.get_opts().chain(command.get_arguments()).chain(tree.get_arguments());
    all.find(|arg| match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => word.chars().nth(1) == arg.get_short() && arg.get_short().is_some(),
    })
}

impl Line<'_> {
    /// What the argument `name` is.
    fn what(&self, name: &str) -> Option<(Completed, Option<&'static str>)> {
        let what = match (self.verbs.as_slice(), name) {
            (["cloud", "keys", ..], "key") | (["keys", "revoke"], "id") => Completed::Key,
            (["cloud", "policy", ..], "policy") => Completed::Policy,
            (["cloud", "policy", ..], "binding") => Completed::Binding { policy: (*self.places.first()?).to_owned() },
            (["cloud", "policy", "for-principal"], "principal_id") => return principal(self.places.first()?),
            (["cloud", "policy", ..], "principal-id") => return principal(self.flags.get("principal-type")?),
            (["cloud", "budget", ..], "budget") => Completed::Budget,
            (["cloud", "preset", ..], "preset") => Completed::Preset,
            (["cloud", "sessions", ..], "session") => Completed::Session,
            (["cloud", "byok", "delete"], "provider") => Completed::StoredKey,
            (["cloud", "byok", "set"], "provider") => Completed::ByokProvider,
            (["cloud", "oauth-client", ..], "client") => Completed::OauthClient,
            ([first, ..], "namespace") if *first != "node" && self.flags.contains_key("local") => Completed::Namespace,
            (["node", "namespace" | "member", ..] | ["exec"], "namespace") => Completed::Namespace,
            (["node", "member", "add"], "person") | (["node", "user", "passwd" | "remove"], "name") => {
                Completed::Person
            }
            (["node", "credit", "grant"], "who") => Completed::Person,
            (["node", "member", ..], "person") => Completed::Member { namespace: (*self.places.first()?).to_owned() },
            (["node", "keys", ..], "key") => Completed::OperatorKey,
            _ => return None,
        };
        Some((what, None))
    }

    fn whose(&self, name: &str) -> Whose {
        let is_node = self.flags.contains_key("local") || matches!(self.verbs.first(), Some(&"node" | &"exec"));
        // The namespace that is asked for is in none.
        let namespace = self.flags.get("namespace").filter(|_| name != "namespace").map(|&name| name.to_owned());
        if is_node { Whose::Node(namespace) } else { Whose::Account }
    }
}

/// Principals of the type `of`, by their ids.
fn principal(of: &str) -> Option<(Completed, Option<&'static str>)> {
    Some(match of.replace('-', "_").as_str() {
        "api_key" => (Completed::Key, None),
        "oauth_token" => (Completed::Session, None),
        "oauth_client" => (Completed::OauthClient, None),
        "namespace" => (Completed::Namespace, Some("ns_")),
        "user" => (Completed::PersonId, None),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: &str) -> Option<Place> {
        let mut tree = crate::cli::tree();
        tree.build();
        place(&tree, &line.split_whitespace().collect::<Vec<_>>())
    }

    #[test]
    fn ids_and_names_are_known_where_they_are_typed() {
        let policy = || "pol_1".to_owned();
        for (line, what) in [
            ("cloud keys revoke", Completed::Key),
            ("--json cloud keys revoke --local", Completed::Key),
            ("cloud policy get", Completed::Policy),
            ("cloud policy update --name x", Completed::Policy),
            ("cloud policy bind", Completed::Policy),
            ("cloud policy unbind pol_1", Completed::Binding { policy: policy() }),
            ("cloud policy bind pol_1 --principal-type api_key --principal-id", Completed::Key),
            ("cloud policy bind pol_1 --principal-type=oauth_token --principal-id", Completed::Session),
            ("cloud policy effective --principal-type = api_key --principal-id =", Completed::Key),
            ("cloud policy for-principal api-key", Completed::Key),
            ("cloud policy for-principal user", Completed::PersonId),
            ("cloud policy bind pol_1 --principal-type user --principal-id", Completed::PersonId),
            ("cloud budget delete", Completed::Budget),
            ("cloud preset update", Completed::Preset),
            ("cloud sessions revoke --keep-keys", Completed::Session),
            ("cloud byok delete --local", Completed::StoredKey),
            ("cloud byok set --provider", Completed::ByokProvider),
            ("cloud policy bind pol_1 --principal-type oauth_client --principal-id", Completed::OauthClient),
            ("cloud oauth-client update --name x", Completed::OauthClient),
            ("cloud oauth-client delete --keep-keys", Completed::OauthClient),
            ("cloud usage --local --namespace", Completed::Namespace),
            ("auth login --local --namespace", Completed::Namespace),
            ("keys revoke", Completed::Key),
            ("keys revoke --local", Completed::Key),
            ("balance --local --namespace", Completed::Namespace),
            ("login --local --namespace", Completed::Namespace),
            ("node namespace delete", Completed::Namespace),
            ("exec --budget-usd 1 --namespace", Completed::Namespace),
            ("node member add", Completed::Namespace),
            ("node member add default", Completed::Person),
            ("node member remove -y default", Completed::Member { namespace: "default".to_owned() }),
            ("node user passwd", Completed::Person),
            ("node credit grant", Completed::Person),
            ("node keys revoke", Completed::OperatorKey),
        ] {
            assert_eq!(at(line).map(|place| place.what), Some(what), "{line}");
        }
    }

    #[test]
    fn elsewhere_nobody_is_asked() {
        for line in [
            "",
            "cloud",
            "cloud keys",
            "cloud keys list",
            "cloud keys mint --name",
            "cloud keys revoke key_1",
            "cloud policy create --spec",
            "cloud policy for-principal",
            "cloud policy bind pol_1 --principal-id",
            "cloud oauth-client register --name",
            "cloud usage --namespace",
            "balance --namespace",
            "keys create --name",
            "test --model",
            "node namespace create",
            "node credit grant ann",
            "exec -- kill",
            "status --nonsense",
        ] {
            assert_eq!(at(line), None, "{line}");
        }
    }

    #[test]
    fn whose_they_are_stands_on_the_line() {
        let whose = |line| at(line).map(|place| place.whose);
        assert_eq!(whose("cloud keys revoke"), Some(Whose::Account));
        assert_eq!(whose("cloud keys revoke --local"), Some(Whose::Node(None)));
        let staging = Some(Whose::Node(Some("staging".to_owned())));
        assert_eq!(whose("cloud keys revoke --local --namespace staging"), staging);
        assert_eq!(whose("cloud keys list --local --namespace"), Some(Whose::Node(None)));
        assert_eq!(whose("exec --namespace"), Some(Whose::Node(None)));
        assert_eq!(whose("node keys revoke"), Some(Whose::Node(None)));
        let socket = at("--socket /a/b cloud keys revoke").unwrap().socket;
        assert_eq!(socket, Some(PathBuf::from("/a/b")));
    }
}
