//! What to do next, from what was seen (pure).

use bitrouter_proto::status::State;

/// What one look showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// No daemon.
    Nothing,
    /// A daemon answers in this state.
    Answers(State),
    /// One holds the lock, began a moment ago, and does not answer yet.
    OnItsWay,
    /// A sick daemon, or a socket that cannot be trusted.
    Trouble,
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It runs.
    Done,
    /// Look again in a moment.
    Wait,
    /// Start one.
    Launch,
    /// Say what was seen.
    Fail,
}

/// Decides.
pub(super) fn next(seen: Seen, out_of_patience: bool) -> Step {
    match seen {
        Seen::Answers(state) if super::is_up(state) => Step::Done,
        Seen::Trouble => Step::Fail,
        _ if out_of_patience => Step::Fail,
        Seen::Nothing => Step::Launch,
        // A draining daemon is on its way out; the next look shows none.
        Seen::Answers(_) | Seen::OnItsWay => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sight_has_its_step() {
        for (seen, out, step) in [
            (Seen::Nothing, false, Step::Launch),
            (Seen::Nothing, true, Step::Fail),
            (Seen::Answers(State::Running), true, Step::Done),
            (Seen::Answers(State::Starting), false, Step::Wait),
            (Seen::Answers(State::Draining), false, Step::Wait),
            (Seen::Answers(State::Starting), true, Step::Fail),
            (Seen::OnItsWay, false, Step::Wait),
            (Seen::OnItsWay, true, Step::Fail),
            (Seen::Trouble, false, Step::Fail),
        ] {
            assert_eq!(next(seen, out), step, "{seen:?} {out}");
        }
    }
}
