//! Rules for text.

use super::{shown, split::Fault};
use crate::counted::counted;

/// How long a text may be, in Unicode scalar values, after trimming. Text for people satisfies
/// `shown::check`; secrets and keys are kept as they are, but for control characters.
#[derive(Debug, Clone, Copy)]
pub struct TextRule {
    length_min: usize,
    length_max: usize,
    verbatim: bool,
}

impl TextRule {
    /// Text of `length_min` to `length_max` characters; white space around it is removed first.
    pub const fn new(length_min: usize, length_max: usize) -> Self {
        Self { length_min, length_max, verbatim: false }
    }

    /// The same, but nothing is trimmed and no script is judged: for passwords, keys and tokens.
    #[must_use]
    pub const fn verbatim(mut self) -> Self {
        self.verbatim = true;
        self
    }

    /// The text as it is kept, or the code of what is wrong with it and the reason.
    pub fn check(&self, text: String) -> Result<String, Fault> {
        let text = match text.trim() {
            trimmed if self.verbatim || trimmed.len() == text.len() => text,
            trimmed => trimmed.to_owned(),
        };
        if !self.verbatim {
            shown::check(&text)?;
        } else if text.chars().any(shown::is_control) {
            return Err(("control_character", "must not contain control characters".into()));
        }
        let length = text.chars().count();
        if length < self.length_min {
            let message = format!("must have at least {}", characters(self.length_min));
            return Err(("too_short", message.into()));
        }
        if length > self.length_max {
            let message = format!("must have at most {}", characters(self.length_max));
            return Err(("too_long", message.into()));
        }
        Ok(text)
    }
}

fn characters(count: usize) -> String {
    counted(count, "character", "characters")
}
