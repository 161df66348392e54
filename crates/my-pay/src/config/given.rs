//! Settings that are text: an empty one is a mistake in the file or in a flag, and unset in a
//! variable. The library takes a variable that is empty and refused for one that is not there, so
//! each of these refuses what is empty.

use std::{convert::Infallible, fmt, path::PathBuf};

/// Why an empty value is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Empty;

impl fmt::Display for Empty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is empty: leave the setting out instead")
    }
}

impl std::error::Error for Empty {}

/// A path, as the library validates it.
#[expect(clippy::ptr_arg, reason = "the library calls it with the type of the setting")]
pub(super) fn path(path: &PathBuf) -> Result<(), Empty> {
    if path.as_os_str().is_empty() { Err(Empty) } else { Ok(()) }
}

/// A text, as the library validates it.
#[expect(clippy::ptr_arg, reason = "the library calls it with the type of the setting")]
pub(super) fn text(text: &String) -> Result<(), Empty> {
    if text.is_empty() { Err(Empty) } else { Ok(()) }
}

/// The text of a variable of which an empty value in the file means something.
pub(super) fn variable(value: &str) -> Result<String, Empty> {
    if value.is_empty() { Err(Empty) } else { Ok(value.to_owned()) }
}

/// The list of a variable, separated by commas.
pub(super) fn list(value: &str) -> Result<Vec<String>, Empty> {
    if value.is_empty() {
        return Err(Empty);
    }
    let Ok::<_, Infallible>(list) = confique::env::parse::list_by_comma(value);
    Ok(list)
}
