//! What a batch of records comes to: each row once, whatever the records say of it and how often.

use std::collections::HashMap;

use bitrouter_proto::account::{CallStatus, NamespaceId, PersonId, RequestRowId};
use ulid::Ulid;

use crate::ledger::record::{Admitted, Kind, Mark, Record, Settled, Tokens};

/// What a batch says, in the order in which it first spoke of each row.
#[derive(Debug, Default)]
pub(super) struct Batch<'a> {
    pub(super) rows: Vec<Change<'a>>,
    places: HashMap<RequestRowId, usize>,
    /// What providers have no more, and which record said so last.
    pub(super) forgotten: HashMap<&'a [u8], usize>,
}

/// What a batch says of one row. What comes before its admission concerns a row that is there already, or nothing.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) id: RequestRowId,
    /// What concerns a row that is there.
    pub(super) before: News<'a>,
    pub(super) admitted: Option<Opening<'a>>,
    /// What came after its admission.
    pub(super) after: News<'a>,
}

/// What becomes of a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News<'a> {
    /// The first mark: the reply is on its way.
    pub(super) mark: Option<&'a Mark>,
    /// The first settlement, and the place of its record.
    pub(super) settled: Option<(usize, &'a Settled)>,
}

/// An admission whose ids could be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening<'a> {
    pub(super) namespace: NamespaceId,
    pub(super) payer: PersonId,
    pub(super) record: &'a Admitted,
}

impl<'a> Batch<'a> {
    pub(super) fn of(records: &'a [Record]) -> Self {
        let mut batch = Self::default();
        for (place, record) in records.iter().enumerate() {
            match &record.kind {
                Some(Kind::Admitted(admitted)) => batch.admitted(admitted),
                Some(Kind::Progressed(progressed)) => progressed.rows.iter().for_each(|mark| batch.marked(mark)),
                Some(Kind::Settled(settled)) => batch.settled(place, settled),
                Some(Kind::Forgotten(forgotten)) => {
                    batch.forgotten.insert(&forgotten.object, place);
                }
                // A newer release knows it, and has applied it or will.
                None => {}
            }
        }
        batch
    }

    fn change(&mut self, id: &[u8]) -> Option<&mut Change<'a>> {
        let id = RequestRowId::new(ulid(id)?);
        let place = *self.places.entry(id).or_insert_with(|| {
            self.rows.push(Change { id, before: News::default(), admitted: None, after: News::default() });
            self.rows.len() - 1
        });
        self.rows.get_mut(place)
    }

    fn admitted(&mut self, record: &'a Admitted) {
        let opening = ulid(&record.namespace).zip(ulid(&record.payer)).map(|(namespace, payer)| Opening {
            namespace: NamespaceId::new(namespace),
            payer: PersonId::new(payer),
            record,
        });
        match (opening, self.change(&record.id)) {
            (Some(opening), Some(change)) => {
                change.admitted.get_or_insert(opening);
            }
            _ => unreadable("admission"),
        }
    }

    fn marked(&mut self, mark: &'a Mark) {
        match self.change(&mark.id).map(Change::news) {
            Some(news) if news.settled.is_none() => {
                news.mark.get_or_insert(mark);
            }
            Some(_) => {}
            None => unreadable("mark"),
        }
    }

    fn settled(&mut self, place: usize, settled: &'a Settled) {
        let is_known = CallStatus::parse(&settled.status).is_some_and(|status| !status.is_open());
        match self.change(&settled.id).map(Change::news) {
            Some(news) if is_known => {
                news.settled.get_or_insert((place, settled));
            }
            _ => unreadable("settlement"),
        }
    }
}

impl<'a> Change<'a> {
    /// Where what is said of the row now belongs.
    fn news(&mut self) -> &mut News<'a> {
        if self.admitted.is_some() { &mut self.after } else { &mut self.before }
    }
}

/// The journal holds what its checksums say; what it says is of no release that was ever made.
fn unreadable(what: &str) {
    tracing::error!("a record of the journal ({what}) makes no sense and is left out");
}

fn ulid(bytes: &[u8]) -> Option<Ulid> {
    bytes.try_into().map(Ulid::from_bytes).ok()
}

/// The sums of the classes: of input, of output.
pub(super) fn sums(tokens: Tokens) -> (i64, i64) {
    let sum = |classes: &[u64]| super::column(classes.iter().fold(0, |sum: u64, class| sum.saturating_add(*class)));
    let input = [
        tokens.uncached,
        tokens.cache_read,
        tokens.cache_write,
        tokens.cache_write_1h,
        tokens.audio_input,
        tokens.image_input,
        tokens.video_input,
    ];
    (sum(&input), sum(&[tokens.visible, tokens.reasoning, tokens.audio_output, tokens.image_output]))
}
