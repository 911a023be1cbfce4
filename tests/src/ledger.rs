//! Reads what the ledger says, as a program with a token does.

use serde_json::Value;

use crate::{
    Answer, Client, Daemon, World,
    sign_in::{Owner, Session},
    wait,
};

/// A reader of the rows and sums of one namespace.
#[derive(Clone, Debug)]
pub struct Books {
    http: Client,
    /// Who reads.
    pub session: Session,
}

impl Books {
    /// Of the node's first namespace.
    #[track_caller]
    pub fn open(world: &World, daemon: &Daemon) -> Self {
        Self::of(&Owner::sign_in(world, daemon), daemon, None)
    }

    /// Of the namespace with this name.
    #[track_caller]
    pub fn of(owner: &Owner, daemon: &Daemon, namespace: Option<&str>) -> Self {
        let session = owner.program(&["usage:read", "billing:read", "inference:invoke"], namespace);
        Self { http: daemon.http(), session }
    }

    /// The same reader at a daemon that was started later.
    #[must_use]
    pub fn at(&self, daemon: &Daemon) -> Self {
        Self { http: daemon.http(), session: self.session.clone() }
    }

    /// Any path of the namespace.
    pub fn get(&self, below: &str) -> Answer {
        self.get_path(&format!("/v1/namespaces/{}{below}", self.session.namespace))
    }

    /// Any path.
    pub fn get_path(&self, path: &str) -> Answer {
        self.http.get(path).bearer(&self.session.access_token).send()
    }

    /// All rows, the newest first, a page at a time.
    #[track_caller]
    pub fn rows(&self) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/requests?limit=100{cursor}")).ok().json();
            rows.extend(page["data"].as_array().expect("rows").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rows,
            }
        }
    }

    /// All rows, the newest first, once there are at least `count` and none of them is open.
    #[track_caller]
    pub fn settled(&self, count: usize) -> Vec<Value> {
        wait::until("rows that are settled", || {
            let rows = self.rows();
            let is_open = |row: &Value| row["completed_at"].is_null();
            (rows.len() >= count && !rows.iter().any(is_open)).then_some(rows)
        })
    }

    /// The row of the call that went by this id, once it is settled.
    #[track_caller]
    pub fn row(&self, request_id: &str) -> Value {
        wait::until("the row", || {
            let rows = self.rows();
            rows.into_iter().find(|row| row["request_id"] == request_id && !row["completed_at"].is_null())
        })
    }

    /// The sums of a window, which `query` says.
    #[track_caller]
    pub fn usage(&self, query: &str) -> Value {
        self.get(&format!("/usage{query}")).ok().json()
    }

    /// The credit.
    #[track_caller]
    pub fn balance(&self) -> Value {
        self.get_path("/v1/billing/balance").ok().json()
    }

    /// All transactions, the newest first.
    #[track_caller]
    pub fn transactions(&self) -> Vec<Value> {
        let page = self.get_path("/v1/billing/transactions?limit=100").ok().json();
        page["data"].as_array().expect("transactions").clone()
    }
}

/// A whole number in a row.
#[track_caller]
pub fn number(row: &Value, name: &str) -> i64 {
    row[name].as_i64().unwrap_or_else(|| panic!("`{name}` is no number in {row}"))
}
