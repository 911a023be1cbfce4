//! Minting: a key can do no more than its minter can at that moment, reaches the same namespace, and outlives no key that it
//! comes from.

use std::time::Duration;

use bitrouter_proto::account::{CredentialId, GrantId, KeyId, Name, NamespaceId, PersonId, ScopeSet, keys::MintedKey};
use secrecy::ExposeSecret as _;

use super::{DEEPEST, KeyError, MOST, NEVER, scopes, shown};
use crate::{
    Node,
    clock::Moment,
    secret::{Token, TokenKind, random_bytes, random_ulid},
    store::{ApiKeyRow, GrantRow, Write},
};

/// How long the secret of a key that nobody has used is made anew for whoever asks again.
const REPEATED: Duration = Duration::from_mins(10);

/// Who mints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Minter {
    /// The person behind it.
    pub(crate) person: PersonId,
    /// Where.
    pub(crate) namespace: NamespaceId,
    /// What the minter can do now.
    pub(crate) scopes: ScopeSet,
    /// With what; none where a person does.
    pub(crate) credential: Option<CredentialId>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// What it is to be called.
    pub(crate) name: Name,
    /// What it is to be able to do.
    pub(crate) scopes: ScopeSet,
    /// When it is to end.
    pub(crate) expires_at: Option<Moment>,
}

/// A key, and the secret that nobody sees again.
#[derive(Debug)]
pub(crate) struct Minted {
    /// What is kept.
    pub(crate) row: ApiKeyRow,
    /// What is given out.
    pub(crate) token: Token,
}

impl Minted {
    /// What its minter is told, once.
    pub(crate) fn told(self) -> MintedKey {
        let Self { row, token } = self;
        MintedKey {
            token: token.text().expose_secret().to_owned(),
            id: row.id,
            key_prefix: shown(row.id),
            display_name: row.name,
            scopes: scopes(row.scopes),
            expires_at: row.expires_at.map(|at| at.to_string()),
        }
    }
}

impl Minter {
    /// Whether it may mint what is wanted.
    ///
    /// # Errors
    /// Where that can do nothing, or more than its minter or than any key.
    pub(crate) fn judge(&self, wanted: &Wanted) -> Result<(), KeyError> {
        let (exceeds, never) = (wanted.scopes.without(self.scopes), wanted.scopes.intersection(NEVER));
        if wanted.scopes.is_empty() {
            Err(KeyError::NoScope)
        } else if !exceeds.is_empty() {
            Err(KeyError::Exceeds(exceeds))
        } else if !never.is_empty() {
            Err(KeyError::Never(never))
        } else {
            Ok(())
        }
    }
}

/// What a new key inherits.
#[derive(Debug, Default)]
struct Inherited {
    grant: Option<GrantId>,
    client_id: Option<String>,
    depth: i64,
    expires_at: Option<Moment>,
}

/// Writes a new key. Whoever commits `write` puts it into memory before that, and takes it back where that fails
/// ([`Node::commit_key`]).
///
/// # Errors
/// See [`KeyError`].
pub(crate) async fn mint(node: &Node, write: &mut Write, minter: &Minter, wanted: Wanted) -> Result<Minted, KeyError> {
    minter.judge(&wanted)?;
    let now = node.clock.wall();
    // Whoever takes something away has had the turn to write before, or gets it after this.
    let role = node.roles.of(minter.person, minter.namespace).ok_or(KeyError::MinterEnded)?;
    let exceeds = wanted.scopes.without(role.scopes());
    if !exceeds.is_empty() {
        return Err(KeyError::Exceeds(exceeds));
    }
    let inherited = inherit(node, write, minter, now).await?;
    let expires_at = match (wanted.expires_at, inherited.expires_at) {
        (Some(asked), Some(bound)) => Some(asked.min(bound)),
        (asked, bound) => asked.or(bound),
    };
    if wanted.expires_at.is_some_and(|end| end <= now) {
        return Err(KeyError::Past);
    }
    if inherited.depth >= DEEPEST {
        return Err(KeyError::TooDeep);
    }
    if node.keys.count_in(Some(minter.namespace)) >= MOST {
        return Err(KeyError::TooMany);
    }
    let id = KeyId::new(random_ulid(now));
    let token = Token::of_seed(TokenKind::Key, id.ulid(), &random_bytes());
    let row = ApiKeyRow {
        id,
        hash: token.hash(),
        namespace: Some(minter.namespace),
        person: minter.person,
        name: wanted.name.as_str().to_owned(),
        scopes: wanted.scopes,
        parent: minter.credential,
        grant: inherited.grant,
        client_id: inherited.client_id,
        depth: inherited.depth,
        created_at: now,
        expires_at,
        last_used_at: None,
        suspended_at: None,
        revoked_at: None,
    };
    row.insert(write).await?;
    Ok(Minted { row, token })
}

async fn inherit(node: &Node, write: &mut Write, minter: &Minter, now: Moment) -> Result<Inherited, KeyError> {
    match minter.credential {
        None => Ok(Inherited::default()),
        Some(CredentialId::Grant(id)) => {
            let found = GrantRow::find(write, id).await?.ok_or(KeyError::MinterEnded)?;
            let grant = found.row;
            if found.has_ended || node.is_over(&grant) {
                return Err(KeyError::MinterEnded);
            }
            Ok(Inherited { grant: Some(id), client_id: Some(grant.client_id), ..Inherited::default() })
        }
        Some(CredentialId::Key(id)) => {
            let key = ApiKeyRow::find(write, id).await?;
            let key = key.filter(|key| key.is_live(now) && key.suspended_at.is_none() && node.keys.holds(id));
            let key = key.ok_or(KeyError::MinterEnded)?;
            Ok(Inherited {
                grant: key.grant,
                client_id: key.client_id,
                depth: key.depth + 1,
                expires_at: key.expires_at,
            })
        }
    }
}

/// Gives a key that an earlier call has made another secret: that call's reply, with the one before, may never have arrived.
///
/// # Errors
/// [`KeyError::Made`] where it was used, or is too old; [`KeyError::MadeAndEnded`] where it opens nothing any more.
pub(crate) async fn again(
    node: &Node,
    write: Write,
    minter: &Minter,
    wanted: &Wanted,
    id: KeyId,
) -> Result<Minted, KeyError> {
    minter.judge(wanted)?;
    with_another_secret(node, write, Some(minter.namespace), id).await
}

/// The same for whoever may mint keys of `namespace`, or of none.
///
/// # Errors
/// As [`again`].
pub(super) async fn with_another_secret(
    node: &Node,
    mut write: Write,
    namespace: Option<NamespaceId>,
    id: KeyId,
) -> Result<Minted, KeyError> {
    let now = node.clock.wall();
    let row = ApiKeyRow::find(&mut write, id).await?.ok_or(KeyError::MadeAndEnded(id))?;
    if !row.is_live(now) || !node.keys.holds(id) {
        return Err(KeyError::MadeAndEnded(id));
    }
    let is_fresh = row.suspended_at.is_none() && now.since(row.created_at) <= REPEATED;
    let has_called = match namespace {
        Some(namespace) => ApiKeyRow::has_called(&mut write, namespace, id, row.created_at).await?,
        None => false,
    };
    if !is_fresh || has_called || row.last_used_at.is_some() || row.namespace != namespace {
        return Err(KeyError::Made(id));
    }
    let token = Token::of_seed(TokenKind::Key, id.ulid(), &random_bytes());
    // Memory knows best whether it was used, and takes no use of the former secret from here on.
    let before = node.keys.replace_unused(id, token.hash()).ok_or(KeyError::Made(id))?;
    match node.replace_secret(write, id, before, token.hash()).await {
        Ok(replaced) => replaced.with_the_rest(&node.store)?,
        Err(error) => {
            let _ = node.keys.replace_unused(id, before);
            return Err(error.into());
        }
    }
    Ok(Minted { row: ApiKeyRow { hash: token.hash(), ..row }, token })
}

impl Node {
    /// Commits `write`, in which a key was written: it is in memory before that, so that whoever revokes it finds it there.
    ///
    /// # Errors
    /// Where nothing was written.
    pub(crate) async fn commit_key(&self, write: Write, row: &ApiKeyRow) -> Result<(), KeyError> {
        self.keys.insert(row);
        if let Err(error) = write.commit().await {
            self.keys.take_back(row.id);
            return Err(error.into());
        }
        Ok(())
    }
}
