//! The call of `CompletionService`.

use std::time::Duration;

use super::{Client, ClientError, asked::Asked, calls::origin, distrust};
use crate::wire::{self, CompletionKind, completion_service_client::CompletionServiceClient};

/// How long somebody who has pressed a key waits.
const AT_ONCE: Duration = Duration::from_millis(1500);

/// What may stand at a place of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completed {
    /// The id of a key.
    Key,
    /// The id of a policy of any kind.
    Policy,
    /// The id of a budget.
    Budget,
    /// The id of a preset.
    Preset,
    /// The id of a binding of this policy.
    Binding {
        /// The policy's id.
        policy: String,
    },
    /// The id of a session.
    Session,
    /// The id of an OAuth client.
    OauthClient,
    /// The name or the id of a namespace.
    Namespace,
    /// The name of a member of a namespace of the own node.
    Member {
        /// The namespace's id or name.
        namespace: String,
    },
    /// The name of a person of the own node.
    Person,
    /// The id of a person.
    PersonId,
    /// The id of one of the operator's keys of the own node.
    OperatorKey,
    /// A provider for which the person has stored a key.
    StoredKey,
    /// A provider that takes keys of others.
    ByokProvider,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What is put there.
    pub text: String,
    /// What it is, for people; can be empty.
    pub help: String,
}

impl Client {
    /// What may stand where `prefix` stands already. It is no error where nothing is known.
    pub async fn complete(&self, asked: &Asked, what: Completed, prefix: &str) -> Result<Vec<Completion>, ClientError> {
        self.same_protocol()?;
        let (kind, within) = match what {
            Completed::Key => (CompletionKind::Keys, String::new()),
            Completed::Policy => (CompletionKind::Policies, String::new()),
            Completed::Budget => (CompletionKind::Budgets, String::new()),
            Completed::Preset => (CompletionKind::Presets, String::new()),
            Completed::Binding { policy } => (CompletionKind::Bindings, policy),
            Completed::Session => (CompletionKind::Sessions, String::new()),
            Completed::OauthClient => (CompletionKind::OauthClients, String::new()),
            Completed::Namespace => (CompletionKind::Namespaces, String::new()),
            Completed::Member { namespace } => (CompletionKind::Members, namespace),
            Completed::Person => (CompletionKind::People, String::new()),
            Completed::PersonId => (CompletionKind::PersonIds, String::new()),
            Completed::OperatorKey => (CompletionKind::OperatorKeys, String::new()),
            Completed::StoredKey => (CompletionKind::StoredKeys, String::new()),
            Completed::ByokProvider => (CompletionKind::ByokProviders, String::new()),
        };
        let request =
            wire::CompleteRequest { asked: Some(asked.into()), kind: kind.into(), prefix: prefix.to_owned(), within };
        let mut service = CompletionServiceClient::with_origin(self.channel.clone(), origin());
        let told = self.bounded_by(AT_ONCE, service.complete(request)).await?;
        // What would be another word than the one that was told is left out: a shell would run it.
        let safe = told.completions.into_iter().filter(|one| distrust::is_word(&one.text));
        Ok(safe.map(|one| Completion { text: one.text, help: distrust::line(one.help) }).collect())
    }
}
