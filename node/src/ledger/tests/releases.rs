//! The journal of every release is read by those after it: `tests/data/journal-<format>.bin` is a segment as that format was
//! written, and never changes.
//!
//! `UPDATE_JOURNAL=1` writes the file of a format that has none yet.
#![expect(clippy::disallowed_methods, reason = "this test is also the generator")]

use std::path::{Path, PathBuf};

use prost::Message as _;
use ulid::Ulid;

use super::world::World;
use crate::ledger::{
    journal::segment_of,
    record::{Admitted, Forgotten, Kind, Mark, Progressed, Record, Settled, Tokens},
};

const NODE: &str = "node_01mcc5rm00sm75062vjegm3h5k";

fn file(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/journal-{format}.bin"))
}

fn id(number: u128) -> Vec<u8> {
    Ulid(number).to_bytes().to_vec()
}

fn admitted(number: u128, request_id: &str) -> Kind {
    Kind::Admitted(Admitted {
        id: id(number),
        namespace: id(1),
        payer: id(2),
        credential: "keyless".to_owned(),
        request_id: request_id.to_owned(),
        requested_model: "acme:m".to_owned(),
        model_id: "m".to_owned(),
        provider_id: "acme".to_owned(),
        dialect: "chat_completions".to_owned(),
        streamed: true,
        created_at: 1_790_000_000_000,
        funding: "cloud_credit".to_owned(),
        bound_input: 100,
        bound_output: Some(500),
        reserved: Some(1_000),
        estimated_input: 30,
        thinks_unseen: true,
        max_output_tps: 100,
        price: r#"{"input_tokens":{"no_cache":1000000},"output_tokens":{"text":2000000}}"#.to_owned(),
    })
}

/// What the file of this release's format holds.
fn written() -> Vec<u8> {
    let tokens = |visible| Tokens {
        uncached: 1,
        cache_read: 2,
        cache_write: 3,
        cache_write_1h: 4,
        audio_input: 5,
        image_input: 6,
        video_input: 7,
        visible,
        reasoning: 9,
        audio_output: 10,
        image_output: 11,
    };
    let mark =
        Mark { id: id(11), usage: Some(tokens(40)), peak_tps: 20, first_byte_ms: Some(12), at: 1_790_000_001_000 };
    let settled = Settled {
        id: id(10),
        status: "succeeded".to_owned(),
        usage: Some(tokens(8)),
        origin: "provider".to_owned(),
        cost: Some(77),
        charge: 77,
        flags: vec!["above_bound".to_owned()],
        first_byte_ms: Some(13),
        completed_at: 1_790_000_002_000,
        error_code: String::new(),
        objects: vec![id(20), id(21)],
    };
    let kinds = [
        admitted(10, "settled"),
        admitted(11, "open"),
        Kind::Progressed(Progressed { rows: vec![mark], at: 1_790_000_001_000 }),
        Kind::Settled(settled),
        Kind::Forgotten(Forgotten { object: id(21) }),
    ];
    let payloads: Vec<_> = kinds.into_iter().map(|kind| Record { kind: Some(kind) }.encode_to_vec()).collect();
    segment_of(NODE, 1, 7, &payloads)
}

#[test]
fn p16_what_this_release_writes_is_as_it_was_promised() {
    let path = file(1);
    if std::env::var_os("UPDATE_JOURNAL").is_some() && !path.exists() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, written()).unwrap();
    }
    // Another text of it is another format: it gets a number, and a file, of its own.
    assert_eq!(std::fs::read(&path).unwrap(), written());
}

#[tokio::test]
async fn p16_the_journal_of_an_older_release_is_read_and_recovered() {
    let mut world = World::new().await;
    world.start().await.close().await;
    NODE.clone_into(&mut world.row.node_id);
    world.row.first_namespace = bitrouter_proto::account::NamespaceId::new(Ulid(1));
    let segment = world.dir.join("journal/0000000001-000001.segment");
    std::fs::write(&segment, std::fs::read(file(1)).unwrap()).unwrap();
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
    std::fs::set_permissions(&segment, mode).unwrap();
    let running = world.start().await;
    assert_eq!(running.trouble(), None);
    let rows = running.rows().await;
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.request_id.as_str(), row.status.as_str(), row.prompt_tokens, row.completion_tokens))
        .collect();
    assert_eq!(told, [("settled", "succeeded", 28, 38), ("open", "interrupted", 28, 170)]);
    assert_eq!(rows[0].final_charge_micro_usd.unwrap().micros(), 77);
    assert_eq!(rows[0].flags, ["above_bound"]);
    let stored = crate::store::ledger::stored_objects(&mut running.store.read().await.unwrap()).await.unwrap();
    assert_eq!(stored.iter().map(|object| object.key.0).collect::<Vec<_>>(), [Ulid(20).to_bytes()]);
    assert!(!segment.exists());
    running.close().await;
}
