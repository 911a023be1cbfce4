//! The ledger over a real database file: records of every kind in, and what is read of them.

mod exactly_once;
mod history;
mod pages;
mod plans;
mod pruning;
mod sums;

use bitrouter_proto::account::{MicroUsd, NamespaceId, PersonId, RequestRowId, ledger::RequestRow};
use bitrouter_test_postgres::{Database, wanted};
use ulid::Ulid;

use super::{
    super::{PostgresUrl, Store, StoreError, Write, execute, fetch_all, fetch_optional, migrate},
    apply::Applied,
    credit::Credit,
    requests::Newest,
    *,
};
use crate::{
    clock::Moment,
    ledger::record::{Admitted, Forgotten, Kind, Mark, Progressed, Record, Settled, Tokens},
};

/// A full hour of some day in 2026.
const START: i64 = 1_790_000_000_000 / HOUR * HOUR;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

struct World {
    _dir: tempfile::TempDir,
    store: Store,
    /// Last: it goes when nobody uses it.
    _database: Option<Database>,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.db");
        std::fs::File::create_new(&path).unwrap();
        let database = wanted();
        let store = match &database {
            None => Store::sqlite(&path).await.unwrap(),
            Some(database) => Store::postgres(&PostgresUrl::parse(database.url().into()).unwrap()).await.unwrap(),
        };
        store.use_write_ahead_log().await.unwrap();
        migrate(&store, Moment::from_millis(START)).await.unwrap();
        Self { _dir: dir, store, _database: database }
    }

    async fn apply(&self, batch: &[Record]) -> Applied {
        self.apply_at(batch, at(START + DAY)).await
    }

    async fn apply_at(&self, batch: &[Record], now: Moment) -> Applied {
        let mut write = self.store.write().await.unwrap();
        let applied = apply(&mut write, batch, "segment", 1, now).await.unwrap();
        write.commit().await.unwrap();
        applied
    }

    /// Does something in a transaction.
    async fn change<T>(&self, change: impl AsyncFnOnce(&mut Write) -> Result<T, StoreError>) -> T {
        let mut write = self.store.write().await.unwrap();
        let done = change(&mut write).await.unwrap();
        write.commit().await.unwrap();
        done
    }

    async fn row(&self, id: RequestRowId) -> Option<RequestRow> {
        request(&mut self.store.read().await.unwrap(), id).await.unwrap()
    }

    async fn usage(&self, namespace: NamespaceId, from: i64, to: i64) -> Sums {
        let window = Window { from: at(from), to: at(to) };
        usage(&mut self.store.read().await.unwrap(), namespace, window).await.unwrap()
    }

    async fn balance(&self, person: PersonId) -> i64 {
        credit_of(&mut self.store.read().await.unwrap(), person).await.unwrap().balance.micros()
    }

    async fn rows(&self, namespace: NamespaceId) -> Vec<RequestRow> {
        requests_page(&mut self.store.read().await.unwrap(), namespace, None, 1_000, 0).await.unwrap()
    }

    /// What a query says, as one number.
    async fn number(&self, sql: &'static str) -> i64 {
        let row: Option<(Option<i64>,)> = fetch_optional!(&mut self.store.read().await.unwrap(), sql).unwrap();
        row.and_then(|row| row.0).unwrap_or(0)
    }
}

fn at(millis: i64) -> Moment {
    Moment::from_millis(millis)
}

fn row_id(number: u64) -> RequestRowId {
    RequestRowId::new(Ulid::from_parts(START.unsigned_abs(), u128::from(number)))
}

fn namespace(number: u64) -> NamespaceId {
    NamespaceId::new(Ulid::from_parts(1, u128::from(number)))
}

fn person(number: u64) -> PersonId {
    PersonId::new(Ulid::from_parts(2, u128::from(number)))
}

fn record(kind: Kind) -> Record {
    Record { kind: Some(kind) }
}

/// An admission in namespace 0, paid by person 0.
fn admitted(number: u64, created_at: i64) -> Admitted {
    Admitted {
        id: row_id(number).ulid().to_bytes().to_vec(),
        namespace: namespace(0).ulid().to_bytes().to_vec(),
        payer: person(0).ulid().to_bytes().to_vec(),
        credential: "keyless".to_owned(),
        request_id: format!("call-{number}"),
        requested_model: "fast".to_owned(),
        model_id: "model-a".to_owned(),
        provider_id: "acme".to_owned(),
        dialect: "chat_completions".to_owned(),
        streamed: true,
        created_at,
        funding: "cloud_credit".to_owned(),
        bound_input: 1_000,
        bound_output: Some(500),
        reserved: Some(900),
        estimated_input: 300,
        thinks_unseen: true,
        max_output_tps: 150,
        price: r#"{"input":1}"#.to_owned(),
    }
}

fn settled(number: u64, status: &str, charge: i64) -> Settled {
    Settled {
        id: row_id(number).ulid().to_bytes().to_vec(),
        status: status.to_owned(),
        usage: Some(Tokens { uncached: 7, cache_read: 3, visible: 5, reasoning: 1, ..Tokens::default() }),
        origin: "provider".to_owned(),
        cost: Some(charge),
        charge,
        flags: Vec::new(),
        first_byte_ms: Some(12),
        completed_at: START + DAY,
        error_code: String::new(),
        objects: Vec::new(),
    }
}

fn mark(number: u64) -> Record {
    let id = row_id(number).ulid().to_bytes().to_vec();
    let mark = Mark { id, usage: None, peak_tps: 4, first_byte_ms: Some(9), at: START };
    record(Kind::Progressed(Progressed { at: mark.at, rows: vec![mark] }))
}

fn forgotten(object: [u8; 16]) -> Record {
    record(Kind::Forgotten(Forgotten { object: object.to_vec() }))
}

fn add(number: u64, created_at: i64) -> Record {
    record(Kind::Admitted(admitted(number, created_at)))
}

fn end(number: u64, charge: i64) -> Record {
    record(Kind::Settled(settled(number, "succeeded", charge)))
}
