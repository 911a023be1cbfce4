//! Who has credit, and what open calls reserve of it.

use bitrouter_gateway::{
    http::{Caller, Principal},
    ports::Plan,
};
use bitrouter_proto::account::{CredentialId, GrantId, MicroUsd, NamespaceId, PersonId, Role, ScopeSet};

use super::world::{World, ended};
use crate::settings::CreditRule;

#[tokio::test]
async fn p10_without_credit_a_call_that_costs_is_refused_and_a_free_one_is_not() {
    let mut world = World::new().await;
    world.require_credit();
    let running = world.start().await;
    let refused = running.admit("a", false).unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.code().as_str()), (402, "insufficient_credit"));
    for way in ["bitrouter node credit grant", "credit = \"off\""] {
        assert!(refused.message().contains(way), "{}", refused.message());
    }
    assert!(running.admit_reserving("b", false, None).is_err(), "nobody knows what it costs");
    running.admit_reserving("c", false, Some(0)).unwrap().settle(ended(1, 1, 0));
    running.ledger.granted(world.row.owner, MicroUsd::new(1_000));
    running.admit("d", false).unwrap().settle(ended(10, 5, 12));
    assert!(
        running.admit("e", false).is_err(),
        "the charge left the credit at once, and less is left than it may cost"
    );
    running.apply().await;
    let rows = running.rows().await;
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            let charge = row.final_charge_micro_usd.unwrap().micros();
            (row.request_id.as_str(), charge, row.reserved_micro_usd.unwrap().micros(), row.funding_source.as_deref())
        })
        .collect();
    assert_eq!(told, [("c", 0, 0, Some("cloud_credit")), ("d", 12, 1_000, Some("cloud_credit"))]);
    running.close().await;
    let running = world.start().await;
    assert_eq!(running.ledger.balance(world.row.owner).micros(), -12, "the grant was memory's alone");
    running.close().await;
}

#[tokio::test]
async fn n26_the_sum_of_reservations_is_that_of_the_open_calls() {
    let mut world = World::new().await;
    world.require_credit();
    let running = world.start().await;
    running.ledger.granted(world.row.owner, MicroUsd::new(1_000_000));
    let mut open: Vec<_> = (0..20).map(|_| running.admit("x", true).unwrap()).collect();
    let rows = &running.ledger.shared.rows;
    assert_eq!(rows.reserved(world.row.owner).micros(), 20_000);
    assert_eq!(rows.reckon(), []);
    for mut permit in open.drain(..10) {
        permit.settle(ended(1, 1, 3));
        permit.settle(ended(1, 1, 3));
    }
    // Nobody said how these ended.
    drop(open);
    assert_eq!((rows.reserved(world.row.owner).micros(), rows.reckon()), (0, vec![]));
    running.apply().await;
    let told = running.told().await;
    assert_eq!(told.iter().filter(|row| row.as_str() == "x succeeded 1").count(), 10);
    assert_eq!(told.iter().filter(|row| row.as_str() == "x interrupted 0").count(), 10);
    running.close().await;
}

#[tokio::test]
async fn p10_credit_that_is_off_reserves_and_charges_nothing() {
    let mut world = World::new().await;
    let running = world.start().await;
    running.call("a");
    running.apply().await;
    let row = running.rows().await.remove(0);
    assert_eq!((row.funding_source.as_deref(), row.reserved_micro_usd), (Some("local"), None));
    assert_eq!((row.cost_micro_usd.unwrap().micros(), row.final_charge_micro_usd.unwrap().micros()), (7, 0));
    let none = Caller::Keyless { namespace: None };
    assert!(matches!(running.ledger.plan(none), Plan::Off));
    running.close().await;
}

#[tokio::test]
async fn p10_what_selling_brings_asks_no_credit_of_the_owners_namespaces() {
    let mut world = World::new().await;
    world.set_credit(CreditRule::RequiredOfOthers);
    let running = world.start().await;
    let keyless = Caller::Keyless { namespace: Some(world.row.first_namespace) };
    let eve = PersonId::new(ulid::Ulid::from_parts(1, 7));
    for (owner, is_bound) in [(world.row.owner, false), (eve, true)] {
        world.roles.remove_namespace(world.row.first_namespace);
        world.roles.add_namespace(world.row.first_namespace, owner);
        assert_eq!(running.ledger.plan(keyless).bound().is_some(), is_bound);
    }
    running.ledger.granted(eve, MicroUsd::new(2_000));
    running.admit("a", false).unwrap().settle(ended(10, 5, 12));
    assert_eq!(running.ledger.balance(eve).micros(), 1_988, "whoever owns the namespace pays");
    world.set_credit(CreditRule::Required);
    world.roles.remove_namespace(world.row.first_namespace);
    world.roles.add_namespace(world.row.first_namespace, world.row.owner);
    assert!(running.admit("b", false).is_err(), "written out it exempts nobody");
    running.close().await;
}

#[tokio::test]
async fn p10_the_owner_of_the_namespace_pays_whoever_calls_in_it() {
    let mut world = World::new().await;
    world.require_credit();
    let mut running = world.start().await;
    let ulid = ulid::Ulid::from_parts(1, 1);
    let (owner, member) = (world.row.owner, PersonId::new(ulid));
    let by_member = |namespace| {
        let (credential, scopes) = (CredentialId::Grant(GrantId::new(ulid)), ScopeSet::GRANTABLE);
        Caller::Credential(Principal { credential, namespace, person: member, scopes })
    };
    world.roles.add_namespace(world.row.first_namespace, owner);
    world.roles.give(world.row.first_namespace, member, Role::Member);
    running.caller = by_member(world.row.first_namespace);
    running.ledger.granted(member, MicroUsd::new(1_000));
    assert_eq!(running.admit("a", false).err().map(|error| error.code().as_str()), Some("insufficient_credit"));
    running.ledger.granted(owner, MicroUsd::new(1_000));
    running.admit("b", false).unwrap().settle(ended(10, 5, 12));
    let left = |person| running.ledger.balance(person).micros();
    assert_eq!((left(owner), left(member)), (988, 1_000));
    // Deleted while the body of the call was on its way.
    running.caller = by_member(NamespaceId::new(ulid));
    let refused = running.admit("c", false).err().map(|error| (error.status().as_u16(), error.code().as_str()));
    assert_eq!(refused, Some((401, "invalid_api_key")));
    running.close().await;
}

bitrouter_test_postgres::once_more_on_postgres!(
    p10_without_credit_a_call_that_costs_is_refused_and_a_free_one_is_not,
    n26_the_sum_of_reservations_is_that_of_the_open_calls,
    p10_credit_that_is_off_reserves_and_charges_nothing,
);
