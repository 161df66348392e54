//! Numbers of things in sentences.

use std::fmt::Display;

/// The number and the word for that many: `1 character`, `2 characters`.
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(
    count: N,
    one: &str,
    many: &str,
) -> String {
    let word = if count == N::from(1) { one } else { many };
    format!("{count} {word}")
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_one_and_all_else_is_many() {
        let characters = |count: usize| counted(count, "character", "characters");
        assert_eq!(characters(0), "0 characters");
        assert_eq!(characters(1), "1 character");
        assert_eq!(characters(2), "2 characters");
        assert_eq!(counted(1.0, "second", "seconds"), "1 second");
        assert_eq!(counted(1.5, "second", "seconds"), "1.5 seconds");
    }
}
