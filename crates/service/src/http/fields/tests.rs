//! One table: input, and what a client reads back.

use expect_test::{Expect, expect};

use super::{Fields, FromFields, TextRule};

#[derive(Debug)]
#[expect(dead_code, reason = "shown by Debug")]
struct Sample {
    amount: i64,
    summary: Option<String>,
    urgent: bool,
}

impl FromFields for Sample {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let amount = fields.integer("amount", 1..=1000);
        let summary = fields.optional_text("summary", &TextRule::new(1, 5));
        let urgent = fields.boolean("urgent");
        Some(Self { amount: amount?, summary: summary?, urgent: urgent? })
    }
}

fn check(body: &[u8], expected: &Expect) {
    let text = match Fields::read_json::<Sample>(body) {
        Ok(sample) => format!("{sample:?}"),
        Err(problem) => {
            let document: serde_json::Value =
                serde_json::from_slice(&problem.document("/", "r")).unwrap();
            let mut lines = vec![format!("{}: {}", document["code"], document["detail"])];
            for error in document["errors"].as_array().into_iter().flatten() {
                lines.push(format!("{} {} {}", error["field"], error["code"], error["message"]));
            }
            lines.join("\n").replace('"', "")
        }
    };
    expected.assert_eq(&text);
}

#[test]
fn a_good_body_is_read() {
    let good = br#"{"amount": 7, "summary": " hi ", "urgent": true}"#;
    check(good, &expect![[r#"Sample { amount: 7, summary: Some("hi"), urgent: true }"#]]);
    let without = br#"{"urgent":false,"amount":1000,"summary":null}"#;
    check(without, &expect![[r#"Sample { amount: 1000, summary: None, urgent: false }"#]]);
}

#[test]
fn all_bad_fields_are_reported_at_once() {
    check(
        br#"{"amount": "7", "summary": "toolong", "urgent": 1, "extra": {}}"#,
        &expect![[r#"
            invalid_request: 4 fields are invalid: see `errors`.
            amount wrong_type must be a number, without quotes
            summary too_long must have at most 5 characters
            urgent wrong_type must be true or false
            extra unknown_field is not a field of this request"#]],
    );
}

#[test]
fn numbers_are_whole_and_in_range() {
    let of = |amount: &str| format!(r#"{{"urgent":true,"amount":{amount}}}"#).into_bytes();
    let not_whole = expect![[r#"
        invalid_request: One field is invalid: see `errors`.
        amount not_an_integer must be a whole number, without fraction or exponent"#]];
    check(&of("1.0"), &not_whole);
    check(&of("1e2"), &not_whole);
    let out_of_range = expect![[r#"
        invalid_request: One field is invalid: see `errors`.
        amount out_of_range must be from 1 to 1000"#]];
    check(&of("0"), &out_of_range);
    check(&of("-1"), &out_of_range);
    check(&of("1001"), &out_of_range);
    check(&of("99999999999999999999999999"), &out_of_range);
}

#[test]
fn what_is_not_a_json_object_is_refused_whole() {
    check(
        b"",
        &expect![
            "malformed_json: The body cannot be read: EOF while parsing a value at line 1 column 0."
        ],
    );
    check(b"[1]", &expect!["not_an_object: The body must be a JSON object, and is an array."]);
    check(b" null", &expect!["not_an_object: The body must be a JSON object, and is null."]);
    check(b"1e400", &expect!["not_an_object: The body must be a JSON object, and is a number."]);
    check(
        b"{\"amount\":1",
        &expect![
            "malformed_json: The body cannot be read: EOF while parsing an object at line 1 column 11."
        ],
    );
    check(
        b"{} x",
        &expect![
            "malformed_json: The body cannot be read: trailing characters at line 1 column 4."
        ],
    );
    check(b"{\"summary\":\"\xff\"}", &expect!["malformed_json: The body is not UTF-8 at byte 12."]);
}

#[test]
fn a_field_is_given_once() {
    check(
        br#"{"amount":1,"\u0061mount":2,"amount":3,"x":1,"x":{}}"#,
        &expect![[r#"
            invalid_request: 4 fields are invalid: see `errors`.
            urgent required is required
            x unknown_field is not a field of this request
            amount repeated_field must be given once
            x repeated_field must be given once"#]],
    );
}

#[test]
fn a_value_of_another_type_is_named() {
    check(
        br#"{"amount": {"value": 1}, "summary": [1], "urgent": "true"}"#,
        &expect![[r#"
            invalid_request: 3 fields are invalid: see `errors`.
            amount wrong_type must be a number, not an object
            summary wrong_type must be a string, not an array
            urgent wrong_type must be true or false"#]],
    );
    check(
        br#"{"amount": 1e400, "summary": 1e400, "urgent": false}"#,
        &expect![[r#"
            invalid_request: 2 fields are invalid: see `errors`.
            amount not_an_integer must be a whole number, without fraction or exponent
            summary wrong_type must be a string, not a number"#]],
    );
}

#[test]
fn text_has_no_control_characters_and_no_broken_escapes() {
    let of =
        |text: &str| format!(r#"{{"urgent":true,"amount":1,"summary":"{text}"}}"#).into_bytes();
    let control = expect![[r#"
        invalid_request: One field is invalid: see `errors`.
        summary control_character must not contain control characters"#]];
    check(&of(r"a\u0000"), &control);
    check(
        &of(r"\u202Ea"),
        &expect![[r#"
        invalid_request: One field is invalid: see `errors`.
        summary direction_control must not contain characters that change the direction of text"#]],
    );
    check(
        &of(r"\ud800"),
        &expect![[r#"
        invalid_request: One field is invalid: see `errors`.
        summary invalid_text contains an invalid escape"#]],
    );
}

#[test]
fn queries_are_decoded_and_refuse_repeats() {
    let read = |query| Fields::read_query::<Sample>(Some(query));
    assert_eq!(
        format!("{:?}", read("amount=5&urgent=true&summary=a+%26b").unwrap()),
        r#"Sample { amount: 5, summary: Some("a &b"), urgent: true }"#
    );
    for bad in ["amount=5&amount=5", "summary=%zz", "summary=%ff", "amount=5&urgent=true&x=1"] {
        assert_eq!(read(bad).unwrap_err().kind.code, "invalid_request", "{bad}");
    }
}

#[derive(Debug)]
struct Names(Vec<String>);

impl FromFields for Names {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        fields.texts("names").map(Self)
    }
}

#[test]
fn a_list_of_texts_is_read_as_it_is() {
    let good = br#"{"names": ["a", " b\u00e9 ", ""]}"#;
    assert_eq!(Fields::read_json::<Names>(good).unwrap().0, ["a", " b\u{e9} ", ""]);
    assert!(Fields::read_json::<Names>(br#"{"names":[]}"#).unwrap().0.is_empty());
    for (bad, code, message) in [
        ("{}", "required", "is required"),
        (r#"{"names":null}"#, "required", "is required"),
        (r#"{"names":"a"}"#, "wrong_type", "must be an array of strings, not a string"),
        (r#"{"names":["a",[]]}"#, "wrong_type", "must be an array of strings, not of an array"),
        (r#"{"names":[null]}"#, "wrong_type", "must be an array of strings, not of null"),
        (r#"{"names":["\ud800"]}"#, "invalid_text", "contains an invalid escape"),
    ] {
        let problem = Fields::read_json::<Names>(bad.as_bytes()).unwrap_err();
        let document: serde_json::Value =
            serde_json::from_slice(&problem.document("/", "r")).unwrap();
        let error = &document["errors"][0];
        assert_eq!((&error["code"], &error["message"]), (&code.into(), &message.into()), "{bad}");
    }
    let query = Fields::read_query::<Names>(Some("names=a")).unwrap_err();
    assert_eq!(query.kind.code, "invalid_request");
}
