//! Old readers read what this version writes; this version reads what old and later ones write.

use super::*;

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
const IDENTITY: Identity =
    Identity { account_id: 10_001, session_id: 7, expires_at: Timestamp::from_micros(9) };

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
