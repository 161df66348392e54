//! Old readers read what this version writes; this version reads what old and later ones write.

use super::*;
use crate::contract::scope::Scope;

/// The readers of version 0.1, which refuse every member that they do not know.
mod version_0_1 {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    pub(super) struct Question {
        pub(super) token_sha256: String,
    }

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Answer {
        pub(super) active: bool,
        pub(super) sub: Option<String>,
        pub(super) sid: Option<String>,
        pub(super) exp_us: Option<i64>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Changes {
        pub(super) changes: Vec<Change>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    pub(super) struct Change {
        pub(super) sequence: i64,
        pub(super) account_id: i64,
        pub(super) standing: String,
        pub(super) created_at_us: i64,
    }
}

const TOKEN: TokenDigest = TokenDigest([1; 32]);
const TOKEN_TEXT: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
const IDENTITY: Identity = Identity::person(10_001, 7, Timestamp::from_micros(9));

const KEY: Identity =
    Identity::api_key(3, Scopes::of(&[Scope::MoneyFund, Scope::MoneySend]), Identity::NEVER);

fn change() -> AccountChange {
    AccountChange {
        sequence: 3,
        account_id: 10_001,
        standing: Standing::Suspended,
        created_at: Timestamp::from_micros(5),
    }
}

#[test]
fn readers_of_version_0_1_read_what_is_written() {
    let text = serde_json::to_string(&Question::about(TOKEN)).unwrap();
    let question: version_0_1::Question = serde_json::from_str(&text).unwrap();
    assert_eq!(question.token_sha256, TOKEN_TEXT);

    let read = |identity| -> version_0_1::Answer {
        serde_json::from_str(&serde_json::to_string(&Answer::from_identity(identity)).unwrap())
            .unwrap()
    };
    let active = read(Some(IDENTITY));
    assert_eq!((active.active, active.sub.as_deref()), (true, Some("10001")));
    assert_eq!((active.sid.as_deref(), active.exp_us), (Some("7"), Some(9)));
    assert!(!read(None).active);
    // A key is no person: a reader that does not know keys must not take it for one.
    let text = serde_json::to_string(&Answer::from_identity(Some(KEY))).unwrap();
    assert!(serde_json::from_str::<version_0_1::Answer>(&text).is_err(), "{text}");

    let text = serde_json::to_string(&Changes::new(vec![change()])).unwrap();
    let changes: version_0_1::Changes = serde_json::from_str(&text).unwrap();
    let [change] = &changes.changes[..] else { panic!("one change") };
    assert_eq!((change.sequence, change.account_id, change.created_at_us), (3, 10_001, 5));
    assert_eq!(change.standing, "suspended");
}

#[test]
fn what_version_0_1_and_later_ones_write_is_read() {
    for (extra, of_change) in [("", ""), (r#","later":{"a":[1]}"#, r#","later":null"#)] {
        let text = format!(r#"{{"tokenSha256":"{TOKEN_TEXT}"{extra}}}"#);
        let question: Question<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(question.token(), Some(TOKEN), "{text}");

        let text = format!(r#"{{"active":true,"sub":"10001","sid":"7","exp_us":9{extra}}}"#);
        let answer: Answer<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(answer.identity(), Some(Some(IDENTITY)), "{text}");
        let text = format!(
            r#"{{"active":true,"api_key":"3","scope":"money:mint money:send money:fund",
                "exp_us":{}{extra}}}"#,
            i64::MAX
        );
        let answer: Answer<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(answer.identity(), Some(Some(KEY)), "{text}");
        let text = format!(r#"{{"active":false{extra}}}"#);
        let answer: Answer<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(answer.identity(), Some(None), "{text}");

        let text = format!(
            r#"{{"changes":[{{"sequence":3,"accountId":10001,"standing":"suspended",
                "createdAtUs":5{of_change}}}]{extra}}}"#
        );
        let changes: Changes<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(changes.understood(), Some(vec![change()]), "{text}");
    }
}

/// The readers of the version that made readers tolerant and knew no keys: what they would take a
/// key for must not be a person.
#[test]
fn an_answer_about_a_key_names_no_person() {
    let json = serde_json::to_value(Answer::from_identity(Some(KEY))).unwrap();
    assert_eq!((json.get("sub"), json.get("sid")), (None, None), "{json}");
}

#[test]
fn answers_that_contradict_themselves_are_refused() {
    for members in [
        r#""active":true"#,
        r#""active":true,"exp_us":9"#,
        r#""active":true,"sub":"1","exp_us":9"#,
        r#""active":true,"api_key":"3","exp_us":9"#,
        r#""active":true,"scope":"money:send","exp_us":9"#,
        r#""active":true,"api_key":"3","scope":"money:send""#,
        r#""active":true,"sub":"1","sid":"2","api_key":"3","scope":"","exp_us":9"#,
        r#""active":true,"api_key":"x","scope":"","exp_us":9"#,
        r#""active":false,"api_key":"3","scope":"","exp_us":9"#,
    ] {
        let text = format!("{{{members}}}");
        assert_eq!(serde_json::from_str::<Answer<'_>>(&text).unwrap().identity(), None, "{text}");
    }
}

#[test]
fn questions_about_an_account_are_read() {
    for extra in ["", r#","later":1"#] {
        let text = format!(r#"{{"accountId":10001{extra}}}"#);
        let question: AccountQuestion<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(question.account_id(), Some(10_001));
        let text = format!(r#"{{"exists":true{extra}}}"#);
        let answer: AccountAnswer<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(answer.exists(), Some(true));
    }
    let crit = r#"{"accountId":10001,"exists":true,"crit":["later"]}"#;
    assert_eq!(serde_json::from_str::<AccountQuestion<'_>>(crit).unwrap().account_id(), None);
    assert_eq!(serde_json::from_str::<AccountAnswer<'_>>(crit).unwrap().exists(), None);
}

#[test]
fn what_must_not_be_ignored_is_not() {
    let crit = r#","crit":["scopes"],"scopes":[]"#;
    let text = format!(r#"{{"tokenSha256":"{TOKEN_TEXT}"{crit}}}"#);
    assert_eq!(serde_json::from_str::<Question<'_>>(&text).unwrap().token(), None);
    let text = format!(r#"{{"active":true,"sub":"10001","sid":"7","exp_us":9{crit}}}"#);
    assert_eq!(serde_json::from_str::<Answer<'_>>(&text).unwrap().identity(), None);
    let text = format!(r#"{{"changes":[]{crit}}}"#);
    assert_eq!(serde_json::from_str::<Changes<'_>>(&text).unwrap().understood(), None);
    // A standing of a later version: it may forbid what this version would allow.
    let text =
        r#"{"changes":[{"sequence":3,"accountId":10001,"standing":"later","createdAtUs":5}]}"#;
    assert!(serde_json::from_str::<Changes<'_>>(text).is_err());
}
