//! Rules for text.

use super::split::Fault;

/// How long a text may be, in Unicode scalar values, after trimming. Control characters are
/// refused: they break logs, statements and terminals, and no name or summary needs them.
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

    /// The same, but nothing is trimmed: for passwords and tokens.
    #[must_use]
    pub const fn verbatim(mut self) -> Self {
        self.verbatim = true;
        self
    }

    pub(super) fn check(&self, text: String) -> Result<String, Fault> {
        let text = match text.trim() {
            trimmed if self.verbatim || trimmed.len() == text.len() => text,
            trimmed => trimmed.to_owned(),
        };
        if text.chars().any(|c| c.is_control() || is_invisible_format(c)) {
            return Err(("control_character", "must not contain control characters".into()));
        }
        let length = text.chars().count();
        if length < self.length_min {
            let message = format!("must have at least {} characters", self.length_min);
            return Err(("too_short", message.into()));
        }
        if length > self.length_max {
            let message = format!("must have at most {} characters", self.length_max);
            return Err(("too_long", message.into()));
        }
        Ok(text)
    }
}

/// Characters that reorder or hide the text around them, as a false payee name would (Unicode
/// Technical Report 36, bidirectional spoofing), and the line separators.
fn is_invisible_format(c: char) -> bool {
    matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}
