//! Web sessions: a random cookie of which only the hash is kept, new at each sign-in. It is good at the entrance where it
//! was made, and there, on loopback, for the user who made it.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;

use super::{
    cookie::{self, CookieNames},
    csrf,
};
use crate::{
    Node,
    clock::Moment,
    http::{Call, Entrance, Visitor},
    people,
    secret::{TokenHash, random_bytes},
    store::{Door, MadeBy, PersonRow, StoreError, WebSessionRow, Write},
};

/// How long a session lives, however often it is used.
const LIFETIME: Duration = Duration::from_hours(7 * 24);
/// How long one lives that is not used.
const IDLE: Duration = Duration::from_hours(12);
/// The same where the kernel does not say whose browser it is.
const IDLE_UNNAMED: Duration = Duration::from_mins(15);
/// How exactly it is known when a session was last used.
const GRAIN: Duration = Duration::from_mins(1);
/// The most sessions of a person; the one that was idle the longest gives way.
const MOST: i64 = 20;

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    /// Who.
    pub(crate) person: PersonRow,
    /// With which session.
    pub(crate) session: WebSessionRow,
    /// The session's CSRF token.
    pub(crate) csrf: String,
    /// True where the header `X-CSRF-Token` holds it.
    pub(crate) has_csrf_header: bool,
}

/// Who is signed in with the browser that calls.
pub(crate) async fn person_of(call: &Call) -> Result<Option<Signed>, StoreError> {
    let node = &call.node;
    let names = CookieNames::at(&call.visitor.entrance, &node.settings.load());
    let now = node.clock.wall();
    for value in cookie::sent(&call.head.headers, &names.session) {
        let mut read = node.store.read().await?;
        let Some(session) = WebSessionRow::find(&mut read, TokenHash::of(value.as_bytes())).await? else { continue };
        let has_ended = node.web_session_has_ended(&session);
        if has_ended || !is_good(&session, &call.visitor, now) {
            continue;
        }
        let Some(person) = PersonRow::by_id(&mut read, session.person).await? else { continue };
        drop(read);
        if now.since(session.last_used_at) >= GRAIN {
            touch(node, session.hash, now).await;
        }
        let csrf = csrf::of_session(&node.key, session.hash);
        let header = call.head.headers.get("x-csrf-token").and_then(|value| value.to_str().ok());
        let has_csrf_header = header.is_some_and(|sent| csrf::same(&csrf, sent));
        return Ok(Some(Signed { person, session, csrf, has_csrf_header }));
    }
    Ok(None)
}

/// True where `visitor` may use the session now.
fn is_good(session: &WebSessionRow, visitor: &Visitor, now: Moment) -> bool {
    let door = door(&visitor.entrance);
    session.door == door && (door == Door::Public || session.uid == visitor.uid) && is_open(session, now)
}

/// True where the session has not ended with time.
pub(super) fn is_open(session: &WebSessionRow, now: Moment) -> bool {
    let idle = match (session.door, session.uid) {
        (Door::Loopback, None) => IDLE_UNNAMED,
        _ => IDLE,
    };
    now < session.expires_at && now < session.last_used_at.after(idle)
}

fn door(entrance: &Entrance) -> Door {
    match entrance {
        Entrance::Loopback { .. } => Door::Loopback,
        Entrance::Public => Door::Public,
    }
}

/// Notes that a session was used. It is of no use to refuse a page because that could not be written.
async fn touch(node: &Node, session: TokenHash, now: Moment) {
    let written = async {
        let mut write = node.store.write().await?;
        WebSessionRow::touch(&mut write, session, now).await?;
        write.commit().await
    };
    if let Err(error) = written.await {
        tracing::warn!(%error, "the use of a web session was not noted");
    }
}

/// Signs `person` in with the browser that calls, in `write`; the cookie to set. What the browser was signed in with
/// before ends.
pub(super) async fn begin(
    call: &Call,
    write: &mut Write,
    person: &PersonRow,
    made_by: MadeBy,
) -> Result<HeaderValue, StoreError> {
    let node = &call.node;
    let names = CookieNames::at(&call.visitor.entrance, &node.settings.load());
    let now = node.clock.wall();
    for value in cookie::sent(&call.head.headers, &names.session) {
        let hash = TokenHash::of(value.as_bytes());
        if WebSessionRow::find(write, hash).await?.is_some_and(|old| is_good(&old, &call.visitor, now)) {
            WebSessionRow::delete(write, hash).await?;
        }
    }
    if let Some(namespace) = people::welcome(write, person.id, now).await? {
        // Where this is not committed, nobody learns its id.
        node.roles.add_namespace(namespace, person.id);
    }
    WebSessionRow::make_room(write, person.id, MOST - 1).await?;
    let value = URL_SAFE_NO_PAD.encode(random_bytes::<32>());
    let door = door(&call.visitor.entrance);
    let session = WebSessionRow {
        hash: TokenHash::of(value.as_bytes()),
        person: person.id,
        door,
        uid: call.visitor.uid.filter(|_| door == Door::Loopback),
        made_by,
        created_at: now,
        last_used_at: now,
        expires_at: now.after(LIFETIME),
    };
    session.insert(write).await?;
    Ok(names.set(&names.session, Some(&value)))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use bitrouter_proto::account::PersonId;
    use ulid::Ulid;

    use super::*;

    #[test]
    fn a_session_is_good_where_it_was_made_for_whom_and_for_how_long() {
        let start = Moment::from_millis(1_000_000);
        let session = |door, uid| WebSessionRow {
            hash: TokenHash::of(b"x"),
            person: PersonId::new(Ulid::from_parts(1, 1)),
            door,
            uid,
            made_by: MadeBy::Password,
            created_at: start,
            last_used_at: start,
            expires_at: start.after(LIFETIME),
        };
        let at =
            |uid, entrance| Visitor { uid, is_own_user: false, address: IpAddr::V4(Ipv4Addr::LOCALHOST), entrance };
        let loopback = || Entrance::Loopback { authority: "localhost:1".to_owned() };
        let mine = session(Door::Loopback, Some(7));
        assert!(is_good(&mine, &at(Some(7), loopback()), start));
        for stranger in [at(Some(8), loopback()), at(None, loopback()), at(Some(7), Entrance::Public)] {
            assert!(!is_good(&mine, &stranger, start), "{stranger:?}");
        }
        assert!(is_good(&mine, &at(Some(7), loopback()), start.after(IDLE).before(GRAIN)));
        assert!(!is_good(&mine, &at(Some(7), loopback()), start.after(IDLE)));
        let used = WebSessionRow { last_used_at: start.after(LIFETIME).before(GRAIN), ..mine };
        assert!(is_good(&used, &at(Some(7), loopback()), start.after(LIFETIME).before(GRAIN)));
        assert!(!is_good(&used, &at(Some(7), loopback()), start.after(LIFETIME)));
        let unnamed = session(Door::Loopback, None);
        assert!(is_good(&unnamed, &at(None, loopback()), start.after(IDLE_UNNAMED).before(GRAIN)));
        assert!(!is_good(&unnamed, &at(None, loopback()), start.after(IDLE_UNNAMED)));
        assert!(!is_good(&unnamed, &at(Some(7), loopback()), start), "the kernel names somebody now");
        let public = session(Door::Public, None);
        assert!(is_good(&public, &at(None, Entrance::Public), start.after(IDLE).before(GRAIN)));
        assert!(!is_good(&public, &at(None, loopback()), start));
    }
}
