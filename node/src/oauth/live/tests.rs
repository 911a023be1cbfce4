//! Judging from memory: what opens, what ends, and what is noted of use.

use ulid::Ulid;

use super::*;
use crate::{
    clock::ManualClock,
    secret::{Token, random_bytes},
};

const HOUR: Duration = Duration::from_hours(1);

struct World {
    clock: Arc<ManualClock>,
    live: LiveTokens,
}

fn world() -> World {
    let clock = Arc::new(ManualClock::new(Moment::from_millis(1_000_000)));
    World { live: LiveTokens::new(clock.clone()), clock }
}

fn id(number: u128) -> Ulid {
    Ulid(number)
}

impl World {
    /// A token of these numbers that lives an hour; its text.
    fn token(&self, grant: u128, person: u128, namespace: u128, generation: i64) -> Option<String> {
        use secrecy::ExposeSecret as _;

        let token = Token::of_seed(TokenKind::Access, id(grant), &random_bytes());
        let new = NewLive {
            hash: token.hash(),
            grant: GrantId::new(id(grant)),
            client: "bitrouter-cli".into(),
            person: PersonId::new(id(person)),
            namespace: NamespaceId::new(id(namespace)),
            scopes: ScopeSet::DEFAULT,
            generation,
            expires_at: self.clock.wall().after(HOUR),
        };
        self.live.insert(new, None).then(|| token.text().expose_secret().to_owned())
    }

    fn opens(&self, token: &str) -> bool {
        self.live.judge(token.as_bytes()).is_ok()
    }
}

#[test]
fn a_token_opens_until_the_wall_clock_says_otherwise() {
    let world = world();
    let token = world.token(1, 2, 3, 1).unwrap();
    let principal = world.live.judge(token.as_bytes()).unwrap();
    assert_eq!(principal.credential, CredentialId::Grant(GrantId::new(id(1))));
    assert_eq!((principal.person, principal.namespace), (PersonId::new(id(2)), NamespaceId::new(id(3))));
    world.clock.advance(Duration::from_millis(60 * 60 * 1_000 - 1));
    assert!(world.opens(&token));
    world.clock.advance(Duration::from_millis(1));
    assert!(!world.opens(&token));
}

#[test]
fn p08_what_is_ended_is_refused_at_once_and_does_not_come_back() {
    let world = world();
    let ends: [fn(&LiveTokens); 3] = [
        |live| live.end_grant(GrantId::new(id(1))),
        |live| live.end_person(PersonId::new(id(12))),
        |live| live.end_namespace(NamespaceId::new(id(23))),
    ];
    let tokens: Vec<_> = (1..=4).map(|n| world.token(n, 10 + n, 20 + n, 1).unwrap()).collect();
    for (at, end) in ends.into_iter().enumerate() {
        end(&world.live);
        for (other, token) in tokens.iter().enumerate() {
            assert_eq!(world.opens(token), other > at);
        }
        let n = at as u128 + 1;
        // A refresh that was under way puts nothing back.
        assert_eq!(world.token(n, 10 + n, 20 + n, 2), None);
        assert!(world.live.has_ended(GrantId::new(id(n)), PersonId::new(id(10 + n)), NamespaceId::new(id(20 + n))));
    }
    assert_eq!(world.live.len(), 1);
    world.live.end_is_durable(GrantId::new(id(1)));
    assert!(!world.live.has_ended(GrantId::new(id(1)), PersonId::new(id(11)), NamespaceId::new(id(21))));
}

#[test]
fn n25_uses_are_noted_once_and_folded() {
    let world = world();
    let (grant, start) = (GrantId::new(id(1)), world.clock.wall());
    let (one, two) = (world.token(1, 2, 3, 1).unwrap(), world.token(1, 2, 3, 2).unwrap());
    assert_eq!(world.live.first_used(grant, 1), None);
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(1));
        assert!(world.opens(&one));
    }
    let at = |seconds| start.after(Duration::from_secs(seconds));
    assert_eq!((world.live.first_used(grant, 1), world.live.first_used(grant, 2)), (Some(at(1)), None));
    assert_eq!(world.live.last_used(grant), Some(at(3)));
    let used = world.live.take_used();
    assert_eq!((used.first, used.grants), (vec![(grant, 1, at(1))], vec![(grant, at(3))]));
    assert!(world.live.take_used().is_empty());
    // The same millisecond again is nothing new; the other generation is.
    assert!(world.opens(&one));
    assert!(world.live.take_used().is_empty());
    assert!(world.opens(&two));
    assert_eq!(world.live.take_used().first, [(grant, 2, at(3))]);
    // A clock that is set back takes nothing away.
    world.clock.set_wall(start);
    assert!(world.opens(&two));
    assert_eq!(world.live.last_used(grant), Some(at(3)));
}

#[test]
fn expired_tokens_do_not_pile_up() {
    let world = world();
    for n in 0..1_000_u32 {
        world.token(u128::from(n % 7), 1, 1, n.into()).unwrap();
        world.clock.advance(Duration::from_mins(1));
    }
    assert!(world.live.len() <= 60 * 2 + 64, "{}", world.live.len());
    let state = world.live.state.read().unwrap();
    let generations: usize = state.grants.values().map(|grant| grant.generations.lock().unwrap().len()).sum();
    assert!(generations <= 60 * 2 + 64, "{generations}");
}

#[test]
fn many_threads_judge_while_sessions_begin_and_end() {
    let world = Arc::new(world());
    let stays = world.token(1, 1, 1, 1).unwrap();
    let threads: Vec<_> = (0..4_u128)
        .map(|thread| {
            let (world, stays) = (Arc::clone(&world), stays.clone());
            std::thread::spawn(move || {
                for n in 0..500 {
                    let grant = 1_000 * (thread + 1) + n;
                    let own = world.token(grant, 2, 2, 1).unwrap();
                    assert!(world.opens(&own) && world.opens(&stays));
                    world.live.end_grant(GrantId::new(id(grant)));
                    assert!(!world.opens(&own));
                    world.live.end_is_durable(GrantId::new(id(grant)));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(world.live.len(), 1);
}
