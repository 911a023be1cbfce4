//! A key is submitted, or deleted.

use bitrouter_gateway::registry::BaseAddress;
use bitrouter_proto::account::{
    PersonId,
    byok::{SubmittedKey, key_prefix},
    credential::OWN_PREFIXES,
    seal::{LONGEST, check_key},
};
use secrecy::zeroize::Zeroizing;

use super::{
    changes::{DELETED, SUBMITTED},
    held::decoded,
};
use crate::{
    Node,
    revocations::{Revocation, Revoked},
    secret::{TokenHash, random_ulid},
    store::{ByokChangeRow, ByokRow, KekRow, StoreError, Write},
};

/// So many times in an hour a person may submit one.
const MOST: i64 = 60;
/// That hour.
const HOUR: std::time::Duration = std::time::Duration::from_hours(1);
/// A sealed box is longer than what is in it by so many bytes: a public key and a tag.
const SEAL: usize = 48;
/// The longest address.
const LONGEST_BASE: usize = 512;
/// What `bitrouter env` writes where an SDK insists on some key.
const STAND_IN: &str = "bitrouter-local";

/// What somebody submits.
#[derive(Debug)]
pub(crate) struct Submission {
    /// Whose it is to be.
    pub(crate) person: PersonId,
    /// With what it is done, as it is noted.
    pub(crate) credential: String,
    /// Whether it may say another address than there was.
    pub(crate) may_move: bool,
    /// For which provider.
    pub(crate) provider: String,
    /// The sealed key, in base64.
    pub(crate) ciphertext: String,
    /// What it is sealed against.
    pub(crate) kek_id: String,
    /// Where it is to be sent.
    pub(crate) api_base: Option<String>,
}

/// What a submission leaves to be done once it is durable.
#[derive(Debug)]
pub(crate) struct Accepted {
    row: ByokRow,
    former: Option<TokenHash>,
}

/// Why nothing was stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubmitError {
    /// No such provider takes the keys of others.
    #[error(
        "there is no provider `{0}` that takes keys of your own; `GET /v1/models` and the guide name those that there are"
    )]
    Provider(String),
    /// It is sealed against another key than the current one.
    #[error("the key must be sealed against the current key `{0}`, which `GET /v1/byok/encryption-pubkey` tells")]
    NotCurrent(String),
    /// What is sealed is no key.
    #[error("the sealed key {0}")]
    Ciphertext(&'static str),
    /// It was submitted for somebody or something else before.
    #[error("this sealed key was accepted before for another person, provider or address; seal the key anew")]
    Replayed,
    /// It cannot be sent there.
    #[error("`api_base` {0}")]
    ApiBase(&'static str),
    /// Only a person decides where it is sent.
    #[error(
        "where a key is sent is changed by a person at the console, or by the node's owner with `--local`, not with a token"
    )]
    NotByToken,
    /// It was done too often.
    #[error("at most {MOST} provider keys can be submitted within an hour; try again later")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accepted {
    /// As it is answered.
    pub(crate) fn told(&self) -> SubmittedKey {
        let ByokRow { provider, kek_id, key_prefix, .. } = &self.row;
        SubmittedKey { provider_name: provider.clone(), kek_id: kek_id.clone(), key_prefix: key_prefix.clone() }
    }
}

impl Node {
    /// Judges a submission and writes it, in the place of what the person had stored for the provider.
    ///
    /// # Errors
    /// Why it is not stored; nothing is written then.
    pub(crate) async fn submit_key(&self, write: &mut Write, sent: Submission) -> Result<Accepted, SubmitError> {
        let Submission { person, credential, may_move, provider, ciphertext, kek_id, api_base } = sent;
        let settings = self.settings.load();
        if !settings.byok.providers.contains(&provider) {
            return Err(SubmitError::Provider(provider.chars().take(64).collect()));
        }
        let api_base = api_base.map(|base| address(base, settings.byok.allow_private)).transpose()?;
        let former = ByokRow::find(write, person, &provider).await?;
        let former_base = former.as_ref().and_then(|row| row.api_base.as_ref());
        if former_base != api_base.as_ref() && !may_move {
            return Err(SubmitError::NotByToken);
        }
        let now = self.clock.wall();
        // What was not accepted counts too: each is a try to have something opened.
        self.limits.submissions.take(person, self.clock.monotonic()).map_err(|_| SubmitError::TooMany)?;
        if ByokChangeRow::submitted(write, person, now.before(HOUR)).await? >= MOST {
            return Err(SubmitError::TooMany);
        }
        let ring = &self.byok.ring;
        let kek = ring.current_of(&kek_id).ok_or_else(|| SubmitError::NotCurrent(ring.current().kek_id))?;
        let submitted = decoded(&ciphertext).ok_or(SubmitError::Ciphertext("is not base64 with its padding"))?;
        if submitted.len() > SEAL + LONGEST {
            return Err(SubmitError::Ciphertext("is too long for a key"));
        }
        let shown = {
            let opened = kek.open(&self.key, &submitted).map_err(|_| {
                SubmitError::Ciphertext("does not open: it is not sealed against the current key, or is no sealed box")
            })?;
            prefix_of(&opened)?
        };
        let mut row = ByokRow {
            person,
            provider,
            kek_id,
            hash: TokenHash::of(&submitted),
            sealed: String::new(),
            key_prefix: shown,
            api_base,
            created_at: former.as_ref().map_or(now, |row| row.created_at),
            updated_at: now,
            last_used_at: None,
            last_failure: None,
        };
        if !row.accept(write).await? {
            return Err(SubmitError::Replayed);
        }
        row.sealed = self.byok.opener().wrapped(&row, &submitted).map_err(|_| StoreError::Unreadable("node's key"))?;
        row.put(write).await?;
        KekRow::prune(write).await?;
        self.note_change(write, SUBMITTED, &row, credential).await?;
        let former = former.map(|row| row.hash).filter(|hash| *hash != row.hash);
        Ok(Accepted { row, former })
    }

    /// Makes what was accepted durable: calls that come now go with it, and what it replaces comes back in no database that is
    /// put back.
    ///
    /// # Errors
    /// Where it is not durable.
    pub(crate) async fn commit_key_of_owner(&self, write: Write, accepted: Accepted) -> Result<(), StoreError> {
        let Accepted { row, former } = accepted;
        let byok = &self.byok;
        write
            .commit_then(|| {
                byok.put(row);
                byok.prune_ring();
            })
            .await?;
        self.warn_of_changes().await;
        match former {
            Some(former) => self.note_replaced(Revocation::StoredKey(former)).await,
            None => Ok(()),
        }
    }

    /// Deletes what `person` has stored for `provider`: calls that run end with it. False where there was nothing.
    ///
    /// # Errors
    /// Where the database fails, or the deletion could not be noted: nothing happened.
    pub(crate) async fn delete_key_of_owner(
        &self,
        person: PersonId,
        provider: &str,
        credential: String,
    ) -> Result<bool, StoreError> {
        let mut write = self.store.write().await?;
        let Some(row) = ByokRow::find(&mut write, person, provider).await? else { return Ok(false) };
        ByokRow::delete(&mut write, row.hash).await?;
        KekRow::prune(&mut write).await?;
        self.note_change(&mut write, DELETED, &row, credential).await?;
        // It holds either way; what is noted of it may come short on a full disk.
        let (Revoked::Whole | Revoked::Later) = self.revoke(write, Revocation::StoredKey(row.hash)).await?;
        self.stored_keys_are_gone().await;
        Ok(true)
    }

    /// Deletes all that `person`, who goes, has stored, each noted. False where there was nothing.
    pub(crate) async fn delete_keys_of(
        &self,
        write: &mut Write,
        person: PersonId,
        credential: &str,
    ) -> Result<bool, StoreError> {
        let rows = ByokRow::of_person(write, person).await?;
        for row in &rows {
            self.note_change(write, DELETED, row, credential.to_owned()).await?;
        }
        if !rows.is_empty() {
            ByokRow::delete_of(write, person).await?;
            KekRow::prune(write).await?;
        }
        Ok(!rows.is_empty())
    }

    /// Tells of keys that have gone, and forgets what only they were sealed against.
    pub(crate) async fn stored_keys_are_gone(&self) {
        self.byok.prune_ring();
        self.warn_of_changes().await;
    }

    async fn note_change(
        &self,
        write: &mut Write,
        action: &str,
        row: &ByokRow,
        credential: String,
    ) -> Result<(), StoreError> {
        let at = self.clock.wall();
        let change = ByokChangeRow {
            id: random_ulid(at).to_string().to_ascii_lowercase(),
            at,
            action: action.to_owned(),
            person: row.person,
            credential,
            provider: row.provider.clone(),
            kek_id: row.kek_id.clone(),
            api_base: row.api_base.clone(),
        };
        change.insert(write).await
    }
}

/// The part of a key that is shown, where it can be one.
fn prefix_of(opened: &Zeroizing<Vec<u8>>) -> Result<String, SubmitError> {
    let text = std::str::from_utf8(opened).map_err(|_| SubmitError::Ciphertext("holds no printable ASCII"))?;
    check_key(text).map_err(|_| {
        SubmitError::Ciphertext("must hold 1 to 4096 printable ASCII characters, without blanks at their ends")
    })?;
    if text == STAND_IN || OWN_PREFIXES.iter().any(|own| text.starts_with(own)) {
        return Err(SubmitError::Ciphertext("holds a token of bitrouter, not a provider's key"));
    }
    Ok(key_prefix(text).to_owned())
}

/// An address as it is kept.
fn address(base: String, allow_private: bool) -> Result<String, SubmitError> {
    if base.len() > LONGEST_BASE {
        return Err(SubmitError::ApiBase("is too long"));
    }
    let address = BaseAddress::parse(&base).map_err(SubmitError::ApiBase)?;
    if !allow_private && !address.tls {
        return Err(SubmitError::ApiBase("must be https"));
    }
    if !allow_private && !address.may_be_public() {
        return Err(SubmitError::ApiBase("must be a public address, not one of a private network or of this machine"));
    }
    let kept = base.trim_end_matches('/');
    Ok(if kept.len() == base.len() { base } else { kept.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_and_public_unless_private_ones_are_allowed() {
        let kept = |base: &str, allow| address(base.to_owned(), allow).ok();
        assert_eq!(kept("https://api.example/v1/", false).as_deref(), Some("https://api.example/v1"));
        for private in [
            "http://127.0.0.1:1/v1",
            "https://127.0.0.1/v1",
            "https://[::1]/v1",
            "https://10.0.0.1",
            "https://localhost",
        ] {
            assert_eq!(kept(private, false), None, "{private}");
            assert!(kept(private, true).is_some(), "{private}");
        }
        for bad in ["http://api.example/v1", "https://u:p@api.example", "https://api.example/v1?x=1", "api.example", ""]
        {
            assert_eq!(kept(bad, true), None, "{bad}");
        }
        assert_eq!(kept(&format!("https://api.example/{}", "a".repeat(512)), true), None);
    }

    #[test]
    fn what_is_sealed_must_be_a_providers_key() {
        let prefix = |text: &[u8]| prefix_of(&Zeroizing::new(text.to_vec())).ok();
        assert_eq!(prefix(b"sk-ant-and-more").as_deref(), Some("sk-ant-"));
        for bad in [
            &b""[..],
            b"a\n",
            b" a",
            b"\xff",
            "\u{e9}".as_bytes(),
            b"bitrouter-local",
            b"brk_x",
            b"bra_x",
            b"brr_x",
            b"sk-tr-x",
        ] {
            assert_eq!(prefix(bad), None, "{bad:?}");
        }
    }
}
