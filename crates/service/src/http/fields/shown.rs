//! Text that people are shown: a name, a summary. One rule for all of it, from Unicode's own
//! properties.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{BidiControl, DefaultIgnorableCodePoint, GeneralCategory, NoncharacterCodePoint},
};

use super::split::Fault;

/// Zero width non-joiner and joiner: Persian and Indic scripts and emoji are written with them.
const JOINERS: [char; 2] = ['\u{200C}', '\u{200D}'];

/// Braille without dots: a symbol to Unicode, and nothing to the eye.
const BLANK_BRAILLE: char = '\u{2800}';

/// Says why `text` must not be shown to people, if so.
///
/// Refused are control characters and line separators, which break logs and terminals; every
/// character that only reorders text, as a false payee name would (Unicode Technical Report 36,
/// section 2.5); noncharacters and other code points that interchange excludes; joiners that join
/// nothing; and text of which nothing is visible.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    if text.chars().any(is_control) {
        return Err(("control_character", "must not contain control characters".into()));
    }
    if text.chars().any(|c| CodePointSetData::new::<BidiControl>().contains(c)) {
        let message = "must not contain characters that change the direction of text";
        return Err(("direction_control", message.into()));
    }
    if text.chars().any(is_excluded) {
        let message = "must not contain code points that Unicode excludes from text";
        return Err(("noncharacter", message.into()));
    }
    if joins_nothing(text) {
        let message = "must not contain a joiner (U+200C, U+200D) but after a visible character";
        return Err(("stray_joiner", message.into()));
    }
    if !text.is_empty() && !text.chars().any(is_visible) {
        return Err(("invisible", "must contain a visible character".into()));
    }
    Ok(())
}

/// A control character, or a separator of lines or paragraphs.
pub(super) fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Noncharacters, the byte order mark, interlinear annotation, deprecated format controls
/// (Unicode Standard, section 23.3).
fn is_excluded(c: char) -> bool {
    matches!(c, '\u{206A}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
        || CodePointSetData::new::<NoncharacterCodePoint>().contains(c)
}

/// A joiner follows a visible character, or the marks upon it.
fn joins_nothing(text: &str) -> bool {
    let mut previous = ' ';
    text.chars().any(|c| {
        let is_stray = JOINERS.contains(&c) && !is_visible(previous) && !is_mark(previous);
        previous = c;
        is_stray
    })
}

fn is_mark(c: char) -> bool {
    use GeneralCategory::{EnclosingMark, NonspacingMark};
    matches!(CodePointMapData::<GeneralCategory>::new().get(c), EnclosingMark | NonspacingMark)
}

/// A character with a shape of its own; a mark alone has none.
fn is_visible(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator, SpaceSeparator};
    let is_blank = matches!(
        CodePointMapData::<GeneralCategory>::new().get(c),
        Control | Format | LineSeparator | ParagraphSeparator | SpaceSeparator
    );
    !is_blank
        && !is_mark(c)
        && c != BLANK_BRAILLE
        && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn text_of_every_script_is_shown() {
        let shown = [
            "",
            "Ada Lovelace",
            "김지수",
            "می\u{200C}خواهم",
            "क्\u{200D}ष हिन्दी",
            // A word of Malayalam that ends in a joiner, as it was written before Unicode 5.1.
            "അവന\u{0D4D}\u{200D} വന്നു",
            "👩\u{200D}👩\u{200D}👧 ❤\u{FE0F}\u{200D}🔥",
            // A flag is spelt with tags, which are invisible by themselves.
            "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
            "עברית العربية",
            "ภาษา\u{200B}ไทย",
            "soft\u{AD}hyphen",
            "e\u{301}",
            "-",
            "\u{E000}",
        ];
        for text in shown {
            assert_eq!(check(text), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn what_deceives_or_cannot_be_seen_is_refused() {
        let refused: &[(&str, &[&str])] = &[
            (
                "control_character",
                &["a\u{0}", "a\nb", "\u{7F}", "\u{9F}a", "a\u{2028}", "a\u{2029}"],
            ),
            (
                "direction_control",
                &[
                    "a\u{61C}b",
                    "a\u{200E}b",
                    "a\u{200F}b",
                    "\u{200F}",
                    "a\u{202A}b",
                    "a\u{202B}b",
                    "a\u{202C}b",
                    "a\u{202D}b",
                    "a\u{202E}b",
                    "a\u{2066}b",
                    "a\u{2067}b",
                    "a\u{2068}b",
                    "a\u{2069}b",
                ],
            ),
            (
                "noncharacter",
                &[
                    "a\u{FFFE}",
                    "a\u{FFFF}",
                    "a\u{FDD0}",
                    "\u{FDEF}",
                    "a\u{1FFFE}",
                    "a\u{10FFFF}",
                    "a\u{206A}",
                    "a\u{FEFF}",
                    "\u{FEFF}a",
                    "a\u{FFF9}b",
                ],
            ),
            (
                "stray_joiner",
                &[
                    "\u{200D}",
                    "\u{200C}a",
                    "a \u{200D}b",
                    "a\u{200D}\u{200D}b",
                    "\u{301}a \u{200C}",
                ],
            ),
            (
                "invisible",
                &[
                    "\u{200B}",
                    "\u{AD}",
                    "\u{2060}",
                    "\u{3164}",
                    "\u{2800}",
                    "\u{115F}\u{1160}",
                    "\u{FFA0}",
                    "\u{34F}",
                    "\u{180E}",
                    "\u{FE0F}",
                    "\u{E0067}",
                    "\u{E0100}",
                    "\u{2060} \u{200B}",
                    "\u{301}",
                    " ",
                    "\u{3000}",
                    "\u{2800}\u{2800}",
                    "\u{17B4}",
                ],
            ),
        ];
        for (code, texts) in refused {
            for text in *texts {
                assert_eq!(check(text).unwrap_err().0, *code, "{text:?}");
            }
        }
    }
}
