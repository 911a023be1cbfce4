//! The calls of `NodeService`.

use std::time::Duration;

use super::{
    Client, ClientError,
    asked::Told,
    calls::{MESSAGE_LIMIT, origin},
    channel::Channel,
    distrust,
    usage::Window,
};
use crate::{
    account::ledger::{NamespaceUsage, NodeUsage},
    wire::{self, node_service_client::NodeServiceClient},
};

/// Sums of the node, with what the namespaces are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedNodeUsage {
    /// The sums.
    pub usage: NodeUsage,
    /// What the owner of each calls it, in the same order; empty where it was deleted.
    pub names: Vec<String>,
}

/// A copy of the database that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Where it is.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// The key without which it cannot be used, and which is no part of it.
    pub node_key: String,
}

/// How long a copy may take: a hundred gigabytes on a slow disk.
const BACKUP: Duration = Duration::from_hours(2);

impl Client {
    /// Sums of a window for each of the owner's namespaces in which there were calls, or with `all` everybody's.
    pub async fn node_usage(&self, all: bool, window: &Window) -> Result<Told<NamedNodeUsage>, ClientError> {
        self.same_protocol()?;
        let Window { from, to } = window.clone();
        let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
        let told = self.bounded(self.node().get_node_usage(wire::GetNodeUsageRequest { all, from, to })).await?;
        let mut names = Vec::new();
        let mut data = Vec::new();
        for mut row in told.namespaces {
            names.push(distrust::line(std::mem::take(&mut row.namespace_name)));
            let row = NamespaceUsage::try_from(row).map_err(|error| ClientError::Broken(error.to_string()))?;
            data.push(row);
        }
        let usage = NodeUsage { from: distrust::line(told.from), to: distrust::line(told.to), data };
        Ok(Told { read: NamedNodeUsage { usage, names }, json: distrust::document(&told.json)? })
    }

    /// Cuts the journal of calls off where it cannot be read; where the copies are, none where nothing was wrong.
    pub async fn repair_journal(&self) -> Result<Vec<String>, ClientError> {
        self.same_protocol()?;
        let repaired = self.bounded(self.node().repair_journal(wire::RepairJournalRequest {})).await?;
        Ok(repaired.copies.into_iter().map(distrust::line).collect())
    }

    /// Copies the database to `path`, an absolute one. It takes as long as it takes.
    pub async fn back_up(&self, path: &str) -> Result<Backup, ClientError> {
        self.same_protocol()?;
        let asked = wire::BackUpRequest { path: path.to_owned() };
        let made = self.bounded_by(BACKUP, self.node().back_up(asked)).await?;
        Ok(Backup { path: distrust::line(made.path), bytes: made.bytes, node_key: distrust::line(made.node_key) })
    }

    fn node(&self) -> NodeServiceClient<Channel> {
        NodeServiceClient::with_origin(self.channel.clone(), origin()).max_decoding_message_size(MESSAGE_LIMIT)
    }
}
