//! The setting with the keys, and how one is exchanged without a pause.

use super::*;

fn error(entries: &[&str]) -> String {
    Keys::parse(entries).map_or_else(|error| error.to_string(), |keys| format!("{keys:?}"))
}

#[test]
fn every_bad_setting_is_one_line_without_secrets() {
    let good = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let entry = |id: &str| format!("{id}:{good}");
    let text = [
        error(&[]),
        error(&[&entry("2026.a"), &entry("2026.b")]),
        error(&[&entry("a"), &entry("b"), &entry("c"), &entry("d"), &entry("e")]),
        error(&[&entry("a"), good]),
        error(&[&format!(":{good}")]),
        error(&[&format!("a b:{good}")]),
        error(&[&entry(&"x".repeat(33))]),
        error(&[&entry("a"), &entry("b"), &entry("a")]),
        error(&["a:secret!"]),
        error(&[&format!("a:{}", good.trim_end_matches('='))]),
        error(&["a:"]),
        error(&["a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="]),
        error(&[&format!("a:{}", base64ct::Base64::encode_string(&[1; 257]))]),
    ]
    .join("\n");
    expect_test::expect![[r#"
        at least one identity key is needed
        Keys(["2026.a", "2026.b"])
        there are 5 identity keys, and at most 4 are allowed
        identity key 2 is not of the form `id:secret`, the secret in base64
        the id of identity key 1 must be 1 to 32 letters, digits, `-`, `_` or `.`
        the id of identity key 1 must be 1 to 32 letters, digits, `-`, `_` or `.`
        the id of identity key 1 must be 1 to 32 letters, digits, `-`, `_` or `.`
        two identity keys have the id `a`
        the secret of identity key `a` is not base64 (RFC 4648, section 4, with padding)
        the secret of identity key `a` is not base64 (RFC 4648, section 4, with padding)
        the secret of identity key `a` has 0 bytes, and must have 32 to 256
        the secret of identity key `a` has 31 bytes, and must have 32 to 256
        the secret of identity key `a` has 257 bytes, and must have 32 to 256"#]]
    .assert_eq(&text);
    let keys: Keys = format!(" {} , {},", entry("a"), entry("b")).parse().unwrap();
    assert_eq!(format!("{keys:?}"), r#"Keys(["a", "b"])"#);
    assert_eq!(",".parse::<Keys>().unwrap_err(), InvalidKeys::None);
}

/// Processes restart one by one, so in each step some have the keys of the step before.
#[test]
fn a_key_is_exchanged_without_a_pause() {
    let [old, new] = [("old", SECRET), ("new", [9; 32])];
    let steps = [keys(&[old]), keys(&[old, new]), keys(&[new, old]), keys(&[new])];
    let verifies = |signing: &Keys, verifying: &Keys| {
        let clock = Clock::held(NOW);
        let mut request = request();
        let signer = Signer::new(signing.clone(), Party::Gateway, clock.clone());
        let identity = signer.sign(known(), Party::Money, &request, BODY);
        request.headers.insert(X_MY_PAY_IDENTITY, identity);
        let verifier = Verifier::new(verifying.clone(), Party::Money, clock);
        verifier.verify(&request).map(|verified| verified.subject)
    };
    for pair in steps.windows(2) {
        assert_eq!(verifies(&pair[0], &pair[1]), Ok(known()));
        assert_eq!(verifies(&pair[1], &pair[0]), Ok(known()));
    }
    assert_eq!(verifies(&steps[0], &steps[3]), Err(NotSigned::UnknownKey.into()));
    assert_eq!(verifies(&steps[3], &steps[0]), Err(NotSigned::UnknownKey.into()));
    // The id of a key proves nothing.
    let forged = keys(&[("old", [1; 32])]);
    assert_eq!(verifies(&forged, &steps[0]), Err(NotSigned::Signature.into()));
}
