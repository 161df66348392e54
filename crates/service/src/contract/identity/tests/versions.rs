//! Old and new instances side by side, and input of every form for the signature.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// The claims as version 0.1 reads them: it refuses every claim that it does not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "reading is the test")]
struct Version0_1 {
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
    jti: String,
    req: String,
    state: String,
    sub: Option<String>,
    sid: Option<String>,
    token_exp_us: Option<i64>,
}

#[test]
fn readers_of_version_0_1_read_what_is_written() {
    for subject in [known(), Subject::Caller(Caller::Anonymous), Subject::Service] {
        let token = World::signed(subject).token();
        let payload = token.split('.').nth(1).unwrap();
        let claims = Base64UrlUnpadded::decode_vec(payload).unwrap();
        let read: Version0_1 = serde_json::from_slice(&claims).unwrap();
        assert_eq!((read.iss.as_str(), read.exp), ("gateway", 1020));
    }
}

/// A reader of version 0.1 must not take a key for the person that it acts for. The reader that came
/// after it ignores unknown claims, and knows the states that version 0.1 knows.
#[test]
fn earlier_versions_refuse_the_identity_of_a_key() {
    for subject in [key(None), key(Some(10_007))] {
        let token = World::signed(subject).token();
        let claims = Base64UrlUnpadded::decode_vec(token.split('.').nth(1).unwrap()).unwrap();
        assert!(serde_json::from_slice::<Version0_1>(&claims).is_err());
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let states = ["anonymous", "refused", "known", "service"];
        assert!(!states.contains(&claims["state"].as_str().unwrap()), "{claims}");
    }
}

/// Scopes of later versions allow nothing here, and contradictions are refused.
#[test]
fn the_claims_of_a_key_are_read_whole_or_not_at_all() {
    let with = |from: &str, to: &str| {
        let mut world = World::signed(key(Some(10_007)));
        world.set_claims(from, to);
        world.verify()
    };
    let none = Identity::api_key(3, Scopes::NONE, Identity::NEVER);
    let none = Identity { account_id: Some(10_007), ..none };
    let scope = format!(r#""scope":"{}""#, Scopes::ALL);
    let later = with(&scope, r#""scope":"later""#);
    assert_eq!(later, Ok(Subject::Caller(Caller::Known(none))));
    for (from, to) in [
        (&scope[..], r#""later":1"#),
        (r#""api_key":"3""#, r#""later":1"#),
        (r#""api_key":"3""#, r#""api_key":"x""#),
        (r#""state":"key""#, r#""state":"known""#),
        (r#""state":"key""#, r#""state":"service""#),
        (r#""state":"key""#, r#""state":"anonymous""#),
        (r#""sub":"10007""#, r#""sub":"x""#),
        (r#""sub":"10007""#, r#""sub":"10007","sid":"8""#),
    ] {
        assert_eq!(with(from, to), Err(Refusal::Claims), "{to} for {from}");
    }
}

#[test]
fn claims_of_later_versions_are_ignored_unless_they_are_critical() {
    let with = |more: &str| {
        let mut world = World::signed(known());
        world.set_claims(r#""jti":"order-7""#, &format!(r#""jti":"order-7",{more}"#));
        world.verify()
    };
    assert_eq!(with(r#""later":{"a":[1,2]}"#), Ok(known()));
    assert_eq!(with(r#""crit":[],"later":1"#), Ok(known()));
    assert_eq!(with(r#""crit":["scopes"],"scopes":["wallets:read"]"#), Err(Refusal::Claims));
    assert_eq!(with(r#""crit":["later"]"#), Err(Refusal::Claims));
    assert_eq!(with(r#""crit":"later""#), Err(Refusal::Claims));
}

/// A token with some of its characters replaced, added or taken away.
fn tampered() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), "[A-Za-z0-9._=+/ -]{0,3}", 0_usize..4);
    prop::collection::vec(edit, 1..4).prop_map(|edits| {
        let mut text: Vec<char> = World::signed(known()).token().chars().collect();
        for (at, new, removed) in edits {
            let start = at.index(text.len() + 1);
            let end = (start + removed).min(text.len());
            text.splice(start..end, new.chars());
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_global_rejects: u32::MAX,
        ..ProptestConfig::default()
    })]

    /// Only what was signed is accepted, and nothing makes the reader panic.
    #[test]
    fn no_other_token_than_the_signed_one_is_accepted(token in tampered()) {
        let mut world = World::signed(known());
        prop_assume!(token != world.token());
        world.set_token(&token);
        prop_assert!(matches!(world.verify(), Err(Refusal::NotSigned(_))));
    }

    #[test]
    fn text_of_every_form_is_refused(token in "\\PC{0,200}|([A-Za-z0-9_-]{0,60}\\.){0,4}[A-Za-z0-9_-]{0,60}") {
        let signed = keys(&[("a", SECRET)]).verify(MessageKind::Identity, &token);
        prop_assert!(signed.is_err());
    }

    /// Whatever is signed comes back, byte by byte, as no other kind of message and by no other key.
    #[test]
    fn what_is_signed_is_what_is_verified(payload in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let ours = keys(&[("a", SECRET)]);
        let token = ours.sign(MessageKind::Identity, &payload);
        prop_assert_eq!(ours.verify(MessageKind::Identity, &token), Ok(payload));
        prop_assert_eq!(
            ours.verify(MessageKind::Revocations, &token),
            Err(NotSigned::Header)
        );
        let other_secret = keys(&[("a", [8; 32])]);
        prop_assert_eq!(
            other_secret.verify(MessageKind::Identity, &token),
            Err(NotSigned::Signature)
        );
        let other_key = keys(&[("b", SECRET)]);
        prop_assert_eq!(
            other_key.verify(MessageKind::Identity, &token),
            Err(NotSigned::UnknownKey)
        );
    }

    /// Signed claims of any form: read or refused, and never a panic.
    #[test]
    fn signed_claims_of_every_form_are_read_or_refused(claims in "\\PC{0,300}") {
        let mut world = World::signed(known());
        world.set_token(&forge(HEADER, &claims, &SECRET));
        prop_assert!(world.verify().is_err());
    }
}
