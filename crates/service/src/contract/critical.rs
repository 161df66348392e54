//! How messages between services grow. A reader ignores members that it does not know, so that old
//! and new instances run side by side; a writer that adds a member which must not be ignored (one
//! that restricts what is allowed, say) names it in `crit`, and a reader that does not know that
//! name refuses the message (as RFC 7515, section 4.1.11, has it for headers).
//!
//! The first versions refused every unknown member. What they can send is read by every version,
//! and a writer sends nothing new to readers of which some may be that old: `crit` is left out
//! while it is empty.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The members of a message that its reader must know.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Critical<'a>(#[serde(borrow)] Vec<Cow<'a, str>>);

impl Critical<'_> {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a reader that knows these may read the message.
    pub(crate) fn is_understood(&self, known: &[&str]) -> bool {
        self.0.iter().all(|name| known.contains(&name.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::Critical;

    #[test]
    fn a_message_is_read_by_readers_that_know_all_that_is_critical() {
        let critical: Critical<'_> = serde_json::from_str(r#"["scopes","limit"]"#).unwrap();
        assert!(critical.is_understood(&["limit", "scopes", "more"]));
        assert!(!critical.is_understood(&["limit"]));
        assert!(!critical.is_understood(&[]));
        assert!(Critical::default().is_understood(&[]));
        assert_eq!(serde_json::to_string(&critical).unwrap(), r#"["scopes","limit"]"#);
    }
}
