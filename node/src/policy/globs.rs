//! Patterns for models. `*` is any run of characters, `?` is one; `:` and `/` are the same. A pattern with one of these matches
//! `provider/model`, any other one the id of the model at whatever provider.
//!
//! What allows compares exactly. What denies must not be got around by a spelling: it ignores case and also looks at the id
//! alone, at what stands behind its last `/`, and before each `:` and `@`.
//!
//! Matching takes steps as long as the pattern times the name, whatever they hold: states are followed side by side.

use std::fmt;

/// What stands in a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Token {
    /// Any run of characters, also none.
    Run,
    /// Any one character.
    One,
    /// This character; `/` stands for `:` too.
    This(char),
}

/// A pattern for models.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob(pub(super) Vec<Token>);

/// How much may still be looked at, in places of patterns.
#[derive(Debug)]
pub(super) struct Work(usize);

impl Work {
    /// So much.
    pub(super) fn new(places: usize) -> Self {
        Self(places)
    }

    /// Looks at so many places; false where that is too much.
    pub(super) fn is_left_after(&mut self, places: usize) -> bool {
        let left = self.0.checked_sub(places);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// A model at a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model<'a> {
    /// The id of the provider.
    pub provider: &'a str,
    /// The id of the model there.
    pub id: &'a str,
}

fn same(character: char) -> char {
    if character == ':' { '/' } else { character }
}

impl Glob {
    /// Reads a pattern; every text is one.
    pub fn new(text: &str) -> Self {
        let tokens = text.chars().map(|character| match character {
            '*' => Token::Run,
            '?' => Token::One,
            other => Token::This(same(other)),
        });
        Self::of(tokens)
    }

    /// The same tokens in the one order that means the same: in each row of wildcards, those for one character come first.
    pub(super) fn of(tokens: impl IntoIterator<Item = Token>) -> Self {
        let (mut plain, mut has_run) = (Vec::new(), false);
        for token in tokens {
            match token {
                Token::Run => has_run = true,
                Token::One => plain.push(Token::One),
                Token::This(_) => {
                    if std::mem::take(&mut has_run) {
                        plain.push(Token::Run);
                    }
                    plain.push(token);
                }
            }
        }
        if has_run {
            plain.push(Token::Run);
        }
        Self(plain)
    }

    /// True where it names the provider too.
    pub(super) fn names_provider(&self) -> bool {
        self.0.contains(&Token::This('/'))
    }

    /// True where it allows this model.
    pub fn allows(&self, model: Model<'_>) -> bool {
        if self.names_provider() {
            return self.matches(&with_provider(model.provider, model.id));
        }
        self.matches(model.id)
    }

    /// True where it denies this model. The pattern was made of lower case by [`Glob::denying`].
    pub fn denies(&self, model: Model<'_>) -> bool {
        let (provider, id) = (model.provider.to_lowercase(), model.id.to_lowercase());
        let tail = id.rsplit('/').next().unwrap_or_default();
        let of_id = self.matches_up_to_a_tag(&id, 0) || self.matches_up_to_a_tag(tail, 0);
        if of_id || !self.names_provider() {
            return of_id;
        }
        // The provider's own end is no tag.
        let skip = provider.chars().count() + 1;
        self.matches_up_to_a_tag(&with_provider(&provider, &id), skip)
            || self.matches_up_to_a_tag(&with_provider(&provider, tail), skip)
    }

    /// Reads a pattern that denies.
    pub fn denying(text: &str) -> Self {
        Self::new(&text.to_lowercase())
    }

    /// True where it is the whole of `text`.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut states = States::of(self);
        text.chars().all(|character| states.step(character)) && states.has_matched()
    }

    /// True where it is the whole of `text`, or what stands before a `:` or `@` behind its first `skip` characters.
    fn matches_up_to_a_tag(&self, text: &str, skip: usize) -> bool {
        let mut states = States::of(self);
        for (place, character) in text.chars().enumerate() {
            if place >= skip && matches!(character, ':' | '@') && states.has_matched() {
                return true;
            }
            if !states.step(character) {
                return false;
            }
        }
        states.has_matched()
    }

    /// True where everything that `other` matches is matched by this one too, as far as that is seen token by token and
    /// before `work` is done.
    pub(super) fn covers(&self, other: &Self, work: &mut Work) -> bool {
        // What begins otherwise is seen at once.
        let plain = self.0.iter().take_while(|token| matches!(token, Token::This(_))).count();
        let same = self.0.iter().zip(&other.0).take(plain).take_while(|(one, other)| one == other).count();
        if !work.is_left_after(same + 1) || same < plain {
            return false;
        }
        let mut states = States::over(&self.0[plain..]);
        let mut step = |token| work.is_left_after(states.at.len()) && states.step_over(token);
        other.0[plain..].iter().all(|token| step(*token)) && states.has_matched()
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|token| match token {
            Token::Run => f.write_str("*"),
            Token::One => f.write_str("?"),
            Token::This(character) => write!(f, "{character}"),
        })
    }
}

fn with_provider(provider: &str, id: &str) -> String {
    format!("{provider}/{id}")
}

/// The places of a pattern that what was read so far leads to.
struct States<'g> {
    tokens: &'g [Token],
    /// Whether the tokens before this one can be all that was read.
    at: Vec<bool>,
}

impl<'g> States<'g> {
    fn of(glob: &'g Glob) -> Self {
        Self::over(&glob.0)
    }

    fn over(tokens: &'g [Token]) -> Self {
        let mut at = vec![false; tokens.len() + 1];
        at[0] = true;
        let mut states = Self { tokens, at };
        states.skip_runs();
        states
    }

    /// A run may be empty.
    fn skip_runs(&mut self) {
        for (place, token) in self.tokens.iter().enumerate() {
            if self.at[place] && *token == Token::Run {
                self.at[place + 1] = true;
            }
        }
    }

    /// Reads a character; false where nothing can match any more.
    fn step(&mut self, character: char) -> bool {
        self.step_over(Token::This(same(character)))
    }

    /// The same for all that a token stands for.
    fn step_over(&mut self, read: Token) -> bool {
        let mut any = false;
        // Backwards, so that each place is read before it is written.
        for place in (0..self.at.len()).rev() {
            let stays = self.at[place] && self.tokens.get(place) == Some(&Token::Run);
            let comes = place > 0
                && self.at[place - 1]
                && match (self.tokens[place - 1], read) {
                    (Token::Run, _) | (_, Token::Run) => false,
                    (Token::One, _) => true,
                    (this, read) => this == read,
                };
            self.at[place] = stays || comes;
            any |= self.at[place];
        }
        self.skip_runs();
        any
    }

    fn has_matched(&self) -> bool {
        self.at[self.tokens.len()]
    }
}

#[cfg(test)]
mod tests;
