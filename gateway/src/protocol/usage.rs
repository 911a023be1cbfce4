//! What a provider says it counted, in classes that do not overlap: each token is in one of them, and their sum is the
//! provider's own.

/// Input tokens by what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputTokens {
    /// Text that was read anew, and not kept.
    pub uncached: u64,
    /// Sound that was read anew.
    pub audio: u64,
    /// Pictures that were read anew.
    pub image: u64,
    /// Films that were read anew.
    pub video: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Written to a cache that is kept for minutes.
    pub cache_write: u64,
    /// Written to a cache that is kept for an hour.
    pub cache_write_1h: u64,
}

/// Output tokens by what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputTokens {
    /// Of the reply itself.
    pub visible: u64,
    /// Of the thinking before it.
    pub reasoning: u64,
    /// Of its sound.
    pub audio: u64,
    /// Of its pictures.
    pub image: u64,
}

impl InputTokens {
    /// `whole` counts all of them, `parts` all but the uncached ones. A part that is larger than what is left of the whole is
    /// cut to it, so that nothing is counted twice and nothing is negative: what a cache held first, then media.
    pub fn within(whole: u64, parts: Self) -> Self {
        let mut left = whole;
        let mut take = |part| take_of(&mut left, part);
        let (cache_read, cache_write) = (take(parts.cache_read), take(parts.cache_write));
        let cache_write_1h = take(parts.cache_write_1h);
        let (audio, image, video) = (take(parts.audio), take(parts.image), take(parts.video));
        Self { uncached: left, cache_read, cache_write, cache_write_1h, audio, image, video }
    }

    /// All of them.
    pub fn total(self) -> u64 {
        self.uncached
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
            .saturating_add(self.cache_write_1h)
            .saturating_add(self.audio)
            .saturating_add(self.image)
            .saturating_add(self.video)
    }
}

/// As much of `part` as is left.
fn take_of(left: &mut u64, part: u64) -> u64 {
    let part = part.min(*left);
    *left -= part;
    part
}

impl OutputTokens {
    /// `whole` counts all of them, `parts` all but the visible ones; as [`InputTokens::within`].
    pub fn within(whole: u64, parts: Self) -> Self {
        let mut left = whole;
        let mut take = |part| take_of(&mut left, part);
        let (reasoning, audio, image) = (take(parts.reasoning), take(parts.audio), take(parts.image));
        Self { visible: left, reasoning, audio, image }
    }

    /// All of them.
    pub fn total(self) -> u64 {
        self.visible.saturating_add(self.reasoning).saturating_add(self.audio).saturating_add(self.image)
    }
}

/// Token counts of a reply, as far as it told them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// What went in.
    pub input: Option<InputTokens>,
    /// What came out.
    pub output: Option<OutputTokens>,
}

impl TokenUsage {
    /// True where nothing was told.
    pub fn is_empty(&self) -> bool {
        self.input.is_none() && self.output.is_none()
    }

    /// Counts are cumulative: what `later` tells takes the place of what was told before.
    pub fn update(&mut self, later: Self) {
        self.input = later.input.or(self.input);
        self.output = later.output.or(self.output);
    }

    /// What was told before, updated by what was told later.
    pub(super) fn joined(before: Option<Self>, later: Option<Self>) -> Option<Self> {
        let Some(later) = later else { return before };
        let mut usage = before.unwrap_or_default();
        usage.update(later);
        Some(usage)
    }

    /// `self` where something was told.
    pub(super) fn told(self) -> Option<Self> {
        (!self.is_empty()).then_some(self)
    }
}

/// No call has more tokens than this: what is told beyond is cut, so that no sum of what calls cost leaves its range.
const MOST: u64 = 1 << 41;

/// A count as it stands in a document; nothing where it is no whole number from 0 on, so that one odd member does not
/// cost all others.
pub(super) fn count(raw: Option<&str>) -> Option<u64> {
    let raw = raw?;
    let is_whole = !raw.is_empty() && raw.bytes().all(|byte| byte.is_ascii_digit());
    // One that fits in no number is a number all the same.
    is_whole.then(|| raw.parse().map_or(MOST, |count: u64| count.min(MOST)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_odd_count_is_none() {
        for odd in ["-1", "1.5", "null", "true", "\"7\"", "[1]", "{}", "1e3", "", "+1"] {
            assert_eq!(count(Some(odd)), None, "{odd}");
        }
        assert_eq!(count(Some("18446744073709551616")), Some(MOST));
        assert_eq!((count(Some("18446744073709551615")), count(None)), (Some(MOST), None));
    }

    proptest! {
        #[test]
        fn classes_never_overlap_and_sum_up_to_the_whole(whole: u64, parts in prop::array::uniform6(any::<u64>())) {
            let [cache_read, cache_write, cache_write_1h, audio, image, video] = parts;
            let parts = InputTokens { uncached: 0, cache_read, cache_write, cache_write_1h, audio, image, video };
            prop_assert_eq!(InputTokens::within(whole, parts).total(), whole);
            let parts = OutputTokens { visible: 0, reasoning: cache_read, audio, image };
            prop_assert_eq!(OutputTokens::within(whole, parts).total(), whole);
        }
    }
}
