//! Records of the journal become rows, sums, credit and transactions.

use std::collections::HashMap;

use bitrouter_proto::account::{MicroUsd, PersonId, RequestRowId};

use super::{
    super::{StoreError, Write, fetch_optional},
    batch::{Batch, Change, News, sums},
    credit, objects, positions,
    prices::Versions,
    requests::{self, NewRow, SettledRow, Update},
    transactions::Entry,
    usage::{Hours, Key, Sums, hour_of},
};
use crate::{
    clock::Moment,
    ledger::record::{Record, Settled},
};

/// What a batch has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The last place in the order of changes that was given.
    pub(crate) seq: i64,
    /// What was taken from whose credit.
    pub(crate) debited: Vec<(PersonId, MicroUsd)>,
}

/// Applies `batch`, which ends at `offset` of `segment`: a record that was applied before changes nothing.
pub(crate) async fn apply(
    write: &mut Write,
    batch: &[Record],
    segment: &str,
    offset: u64,
    now: Moment,
) -> Result<Applied, StoreError> {
    let batch = Batch::of(batch);
    let mut applying = Applying { seq: seq(write, &batch).await?, ..Applying::default() };
    let last = applying.seq.end;
    let before: Vec<_> = batch.rows.iter().map(|change| (change.id, change.before)).collect();
    applying.update(write, &before).await?;
    let known = applying.insert(write, &batch.rows).await?;
    applying.update(write, &known).await?;
    let Applying { hours, debits, stored, .. } = applying;
    hours.write(write).await?;
    let debited = credit::take(write, &debits, now).await?;
    objects::forget(write, batch.forgotten.keys().copied()).await?;
    let is_kept = |(place, stored): &(usize, objects::Stored)| {
        batch.forgotten.get(stored.object.as_slice()).is_none_or(|forgotten| forgotten < place)
    };
    let stored: Vec<_> = stored.into_iter().filter(is_kept).map(|(_, stored)| stored).collect();
    objects::insert(write, &stored).await?;
    positions::set(write, segment, offset).await?;
    Ok(Applied { seq: last, debited })
}

/// Takes places in the order of changes: as many as rows can change at most.
async fn seq(write: &mut Write, batch: &Batch<'_>) -> Result<std::ops::Range<i64>, StoreError> {
    let wanted = i64::try_from(batch.rows.len()).unwrap_or(i64::MAX).saturating_mul(3);
    let row: Option<(i64,)> =
        fetch_optional!(write, "UPDATE ledger SET seq = seq + $1 WHERE id = 1 RETURNING seq", wanted)?;
    let (last,) = row.ok_or(StoreError::Unreadable("ledger"))?;
    Ok(last - wanted..last)
}

/// What has come together so far.
#[derive(Debug, Default)]
struct Applying {
    /// What is left of the places in the order of changes; each is used before it is given, so that the end is the last one.
    seq: std::ops::Range<i64>,
    hours: Hours,
    debits: Vec<Entry>,
    stored: Vec<(usize, objects::Stored)>,
}

impl Applying {
    fn next_seq(&mut self) -> i64 {
        self.seq.next().map_or(self.seq.end, |seq| seq + 1)
    }

    /// Changes rows that are there; what is said of others is nothing.
    async fn update(&mut self, write: &mut Write, news: &[(RequestRowId, News<'_>)]) -> Result<(), StoreError> {
        let (mut settlements, mut marks, mut by_id) = (Vec::new(), Vec::new(), HashMap::new());
        for (id, news) in news {
            if let Some((place, settled)) = news.settled {
                settlements.push(Update { id: *id, seq: self.next_seq(), what: settled });
                by_id.insert(*id, (place, settled));
            } else if let Some(mark) = news.mark {
                marks.push(Update { id: *id, seq: self.next_seq(), what: &mark.first_byte_ms });
            }
        }
        for row in requests::settle(write, &settlements).await? {
            if let Some((place, settled)) = by_id.get(&row.id) {
                self.account(&row, *place, settled);
            }
        }
        requests::stream(write, &marks).await
    }

    /// Writes the rows that were admitted; those that were there already, with what comes after.
    async fn insert<'a>(
        &mut self,
        write: &mut Write,
        changes: &[Change<'a>],
    ) -> Result<Vec<(RequestRowId, News<'a>)>, StoreError> {
        let (mut rows, mut after, mut versions) = (Vec::new(), Vec::new(), Versions::default());
        for change in changes {
            let Some(opening) = change.admitted else { continue };
            let news = change.after;
            rows.push(NewRow {
                id: change.id,
                seq: self.next_seq(),
                opening,
                created_at: Moment::from_millis(opening.record.created_at),
                price_version: versions.keep(write, &opening.record.price).await?,
                mark: news.mark,
                settled: news.settled.map(|(_, settled)| settled),
            });
            after.push((change.id, news));
        }
        let known = requests::insert(write, &rows).await?;
        let (mut is_known, mut left) = (known.iter().copied().peekable(), Vec::new());
        for (place, (row, (id, news))) in rows.iter().zip(after).enumerate() {
            if is_known.next_if_eq(&place).is_some() {
                left.push((id, news));
                continue;
            }
            let record = row.opening.record;
            let written = SettledRow {
                id,
                namespace: row.opening.namespace,
                payer: row.opening.payer,
                credential: record.credential.clone(),
                provider: record.provider_id.clone(),
                model: record.model_id.clone(),
                created_at: row.created_at,
            };
            self.hours.add(key(&written), Sums { request_count: 1, ..Sums::default() });
            if let Some((place, settled)) = news.settled {
                self.account(&written, place, settled);
            }
        }
        Ok(left)
    }

    /// A row was settled: what it came to goes where it belongs.
    fn account(&mut self, row: &SettledRow, place: usize, settled: &Settled) {
        let (prompt_tokens, completion_tokens) = sums(settled.usage.unwrap_or_default());
        let charge = settled.charge.max(0);
        let cost = settled.cost.unwrap_or(0).max(0);
        self.hours.add(key(row), Sums { request_count: 0, prompt_tokens, completion_tokens, cost, charge });
        if charge > 0 {
            self.debits.push(Entry {
                person: row.payer,
                kind: "debit",
                amount: MicroUsd::ZERO.minus(MicroUsd::new(charge)),
                request: Some(row.id),
                namespace: Some(row.namespace),
            });
        }
        let tokens = prompt_tokens.saturating_add(completion_tokens);
        self.stored.extend(settled.objects.iter().enumerate().map(|(number, object)| {
            let (object, provider) = (object.clone(), row.provider.clone());
            let tokens = if number == 0 { tokens } else { objects::LEFT_BEHIND };
            (place, objects::Stored { object, provider, namespace: row.namespace, tokens, row: row.id })
        }));
    }
}

/// Which sums a row belongs to.
fn key(row: &SettledRow) -> Key {
    Key {
        namespace: row.namespace.to_string(),
        hour: hour_of(row.created_at),
        credential: row.credential.clone(),
        provider: row.provider.clone(),
        model: row.model.clone(),
    }
}
