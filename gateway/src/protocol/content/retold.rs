//! What a stream tells twice: bit by bit, and then once more, whole, in events that sum each other up. Only sums are kept.

use super::Retelling;

/// Bytes of the reply and of its thinking, and pieces that are no text of either.
pub(super) type Sums = [u64; 4];

/// What was told of a stream until now.
#[derive(Debug, Default)]
pub(super) struct Retold {
    /// Each thing once.
    told: Sums,
    /// What was told once more, by how far it is summed up; what has begun stands behind what is whole.
    sums: Vec<Sums>,
    /// How far the present frame sums up, if it tells anything once more.
    level: Option<u8>,
    retelling: Retelling,
}

impl Retold {
    /// The frame sums up so far.
    pub(super) fn set_level(&mut self, level: Option<u8>) {
        self.level = level.or(self.level);
    }

    /// What the frame makes of what it tells once more.
    pub(super) fn set_retelling(&mut self, retelling: Retelling) {
        self.retelling = retelling;
    }

    /// Another frame begins.
    pub(super) fn end_frame(&mut self) {
        (self.level, self.retelling) = (None, Retelling::Whole);
    }

    /// What of this was not told before. A sum of what is told once more is never above what there is, so that what it goes
    /// beyond what was told is new.
    pub(super) fn news(&mut self, now: Sums) -> Sums {
        let Some(level) = self.level else {
            self.told = std::array::from_fn(|side| self.told[side].saturating_add(now[side]));
            return now;
        };
        let place = match self.retelling {
            Retelling::Whole => 2 * usize::from(level),
            Retelling::Begun => 2 * usize::from(level) + 1,
            Retelling::Nothing => return Sums::default(),
        };
        if self.sums.len() <= place {
            self.sums.resize(place + 1, Sums::default());
        }
        let (sums, told) = (&mut self.sums[place], &mut self.told);
        std::array::from_fn(|side| {
            sums[side] = sums[side].saturating_add(now[side]);
            let new = sums[side].saturating_sub(told[side]);
            told[side] = told[side].saturating_add(new);
            new
        })
    }
}
