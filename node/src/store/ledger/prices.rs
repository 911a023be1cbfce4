//! The prices that rows were reckoned with.

use std::collections::BTreeMap;

use bitrouter_gateway::meter::ModelPrice;

use super::super::{StoreError, Write, execute};
use crate::secret::hex;

/// The version of each price in a batch: the document is kept when its first row is written.
#[derive(Debug, Default)]
pub(super) struct Versions<'a>(BTreeMap<&'a str, String>);

impl<'a> Versions<'a> {
    /// Keeps `document`; its version. Empty is no price.
    pub(super) async fn keep(&mut self, write: &mut Write, document: &'a str) -> Result<Option<String>, StoreError> {
        if document.is_empty() {
            return Ok(None);
        }
        if let Some(version) = self.0.get(document) {
            return Ok(Some(version.clone()));
        }
        let version = version_of(document);
        execute!(
            write,
            "INSERT INTO prices (version, document) VALUES ($1, $2) ON CONFLICT (version) DO NOTHING",
            &version,
            document,
        )?;
        self.0.insert(document, version.clone());
        Ok(Some(version))
    }
}

/// As the price itself says it. One that this release cannot read is told by its hash.
fn version_of(document: &str) -> String {
    ModelPrice::read(document).map_or_else(
        || {
            let hash = ring::digest::digest(&ring::digest::SHA256, document.as_bytes());
            format!("prc_{}", hex(&hash.as_ref()[..8]))
        },
        |price| price.version().to_owned(),
    )
}
