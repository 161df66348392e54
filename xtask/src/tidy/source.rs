//! Splits Rust source into code, comments and string literals, so that a rule about one of them
//! never fires on another. It reads tokens and no grammar: just enough to know where each ends.

/// A file, taken apart. `code` and `comments` keep every line where it was.
#[derive(Default)]
pub(crate) struct Source {
    /// The code; a string literal is left as `""`.
    pub(crate) code: String,
    /// Comments of every kind, documentation too.
    pub(crate) comments: String,
    pub(crate) strings: Vec<Literal>,
}

/// A string literal, as it is written between its quotes.
pub(crate) struct Literal {
    /// Where it starts, counted from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// The lines of one part of a [`Source`], counted from 1.
pub(crate) fn numbered(part: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(part.lines())
}

pub(crate) fn split(text: &str) -> Source {
    let mut source = Source::default();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let (kind, length) = next_token(rest);
        let (token, tail) = rest.split_at(length);
        let newlines: String = token.chars().filter(|char| *char == '\n').collect();
        match kind {
            Kind::Code => {
                source.code.push_str(token);
                source.comments.push_str(&newlines);
            }
            Kind::Comment => {
                source.code.push_str(&newlines);
                source.comments.push_str(token);
            }
            Kind::String => {
                source.code.push_str("\"\"");
                source.code.push_str(&newlines);
                source.comments.push_str(&newlines);
                source.strings.push(Literal { line, text: unquote(token).to_owned() });
            }
        }
        line += newlines.len();
        rest = tail;
    }
    source
}

#[derive(Clone, Copy)]
enum Kind {
    Code,
    Comment,
    String,
}

/// The kind of the token at the start of `rest`, which is not empty, and its length in bytes.
fn next_token(rest: &str) -> (Kind, usize) {
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, block_comment_length(rest));
    }
    let word = rest.find(|char: char| char != '_' && !char.is_alphanumeric()).unwrap_or(rest.len());
    let (prefix, after) = rest.split_at(word);
    if matches!(prefix, "r" | "br" | "cr") {
        let hashes = after.len() - after.trim_start_matches('#').len();
        if after[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let open = word + hashes + 1;
            let end = rest[open..].find(&close).map(|at| open + at + close.len());
            return (Kind::String, end.unwrap_or(rest.len()));
        }
    }
    if matches!(prefix, "" | "b" | "c") && after.starts_with('"') {
        return (Kind::String, word + quoted_length(after, '"'));
    }
    if word > 0 {
        return (Kind::Code, word);
    }
    if rest.starts_with('\'') {
        return (Kind::Code, quote_length(rest));
    }
    (Kind::Code, rest.chars().next().map_or(0, char::len_utf8))
}

/// Block comments nest.
fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The length of a literal that starts and ends with `quote` and may hold escapes.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in rest.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if char == quote => return at + char.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// A `'` starts a character if another closes it after one character or escape; else a lifetime.
fn quote_length(rest: &str) -> usize {
    let mut chars = rest.chars().skip(1);
    let first = chars.next();
    if first == Some('\\') || chars.next() == Some('\'') { quoted_length(rest, '\'') } else { 1 }
}

fn unquote(token: &str) -> &str {
    let inner = token.trim_start_matches(['b', 'c', 'r']).trim_matches('#');
    let inner = inner.strip_prefix('"').unwrap_or(inner);
    inner.strip_suffix('"').unwrap_or(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, code: &str, comments: &str, strings: &[(usize, &str)]) {
        let source = split(text);
        let found: Vec<(usize, &str)> =
            source.strings.iter().map(|literal| (literal.line, literal.text.as_str())).collect();
        assert_eq!(source.code, code);
        assert_eq!(source.comments, comments);
        assert_eq!(found, strings);
    }

    #[test]
    fn comments_are_told_from_code() {
        check("a // b\nc", "a \nc", "// b\n", &[]);
        check("a /* b /* c */\n */ d", "a \n d", "/* b /* c */\n */", &[]);
        check("/* \u{e9} never closed", "", "/* \u{e9} never closed", &[]);
    }

    #[test]
    fn strings_hold_neither() {
        check(r#"f("a // \" b") // c"#, r#"f("") "#, "// c", &[(1, r#"a // \" b"#)]);
        check(
            "\n\"a\nb\" b\"c\" c\"d\"",
            "\n\"\"\n \"\" \"\"",
            "\n\n",
            &[(2, "a\nb"), (3, "c"), (3, "d")],
        );
        check("r##\"a \"# b\"## r\"\\\" c", "\"\" \"\" c", "", &[(1, "a \"# b"), (1, "\\")]);
        check("\"never closed", "\"\"", "", &[(1, "never closed")]);
    }

    #[test]
    fn quotes_of_characters_and_lifetimes_open_no_string() {
        check(r#"('"', '\'', b'"', '\u{22}')"#, r#"('"', '\'', b'"', '\u{22}')"#, "", &[]);
        check("&'a str, 'b: \"c\"", "&'a str, 'b: \"\"", "", &[(1, "c")]);
        check("r#type for\"d\"", "r#type for\"\"", "", &[(1, "d")]);
    }
}
