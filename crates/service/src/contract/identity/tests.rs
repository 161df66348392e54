//! Every way to tamper with an identity, and what gets through the guard. One request is signed;
//! each row of a table changes one thing about it.

mod guard;
mod keys;
mod versions;

use std::{fmt::Write as _, time::Duration};

use axum::http::Request;
use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use hyper::{header::HeaderValue, http::request::Parts};
use sha2::Sha256;

use super::{keys::NotSigned, *};
use crate::clock::Clock;

const SECRET: [u8; 32] = [7; 32];
const BODY: &[u8] = br#"{"amount":5}"#;
/// 1,000 seconds after the epoch.
const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

fn keys(entries: &[(&str, [u8; 32])]) -> Keys {
    let entries: Vec<String> = entries
        .iter()
        .map(|(id, secret)| format!("{id}:{}", base64ct::Base64::encode_string(secret)))
        .collect();
    Keys::parse(&entries).unwrap()
}

fn known() -> Subject {
    let expires_at = Timestamp::from_micros(1_234_567_890_123_456);
    Subject::Caller(Caller::Known(Identity::person(10_007, 8, expires_at)))
}

/// An API key with every scope, which acts for this account.
fn key(account_id: Option<i64>) -> Subject {
    let identity = Identity::api_key(3, Scopes::ALL, Identity::NEVER);
    Subject::Caller(Caller::Known(Identity { account_id, ..identity }))
}

fn request() -> Parts {
    let request = Request::post("/money/v1/transfers?dry=1")
        .header("x-request-id", "order-7")
        .header("idempotency-key", "k-1")
        .header("content-type", "application/json");
    request.body(()).unwrap().into_parts().0
}

/// A request with its identity, and the clock of whoever verifies it.
struct World {
    request: Parts,
    body: Vec<u8>,
    clock: Clock,
}

impl World {
    fn signed(subject: Subject) -> Self {
        let clock = Clock::held(NOW);
        let mut request = request();
        let signer = Signer::new(keys(&[("a", SECRET)]), Party::Gateway, clock.clone());
        let identity = signer.sign(subject, Party::Money, &request, BODY);
        request.headers.insert(X_MY_PAY_IDENTITY, identity);
        Self { request, body: BODY.to_vec(), clock }
    }

    fn token(&self) -> String {
        self.request.headers[X_MY_PAY_IDENTITY].to_str().unwrap().to_owned()
    }

    fn set_token(&mut self, token: &str) {
        self.request.headers.insert(X_MY_PAY_IDENTITY, HeaderValue::from_str(token).unwrap());
    }

    /// The claims, with one thing replaced, signed again with the right key.
    fn set_claims(&mut self, from: &str, to: &str) {
        let token = self.token();
        let payload = token.split('.').nth(1).unwrap();
        let claims = String::from_utf8(Base64UrlUnpadded::decode_vec(payload).unwrap()).unwrap();
        assert!(claims.contains(from), "{claims}");
        self.set_token(&forge(HEADER, &claims.replace(from, to), &SECRET));
    }

    /// The header, with the claims as they are, signed again with the right key.
    fn set_header(&mut self, header: &str) {
        let token = self.token();
        let payload = token.split('.').nth(1).unwrap();
        let claims = String::from_utf8(Base64UrlUnpadded::decode_vec(payload).unwrap()).unwrap();
        self.set_token(&forge(header, &claims, &SECRET));
    }

    fn verify(&self) -> Result<Subject, Refusal> {
        let verifier = Verifier::new(keys(&[("a", SECRET)]), Party::Money, self.clock.clone());
        let identity = verifier.verify(&self.request)?;
        identity.is_for(&self.request, &self.body)?;
        Ok(identity.subject)
    }
}

const HEADER: &str = r#"{"alg":"HS256","kid":"a","typ":"my-pay-identity+jwt"}"#;

fn forge(header: &str, claims: &str, secret: &[u8]) -> String {
    let mut token = Base64UrlUnpadded::encode_string(header.as_bytes());
    write!(token, ".{}", Base64UrlUnpadded::encode_string(claims.as_bytes())).unwrap();
    let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(token.as_bytes());
    write!(token, ".{}", Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes())).unwrap();
    token
}

#[track_caller]
fn check(tamper: impl FnOnce(&mut World), expected: Refusal) {
    let mut world = World::signed(known());
    assert_eq!(world.verify(), Ok(known()), "untouched it is accepted");
    tamper(&mut world);
    assert_eq!(world.verify(), Err(expected));
}

#[test]
fn every_subject_arrives_as_it_was_sent() {
    for subject in [
        known(),
        Subject::Caller(Caller::Anonymous),
        Subject::Caller(Caller::Refused),
        Subject::Service,
        key(None),
        key(Some(10_007)),
    ] {
        assert_eq!(World::signed(subject).verify(), Ok(subject));
    }
}

/// What anybody with a tool for JWT would expect to find.
#[test]
fn an_identity_is_a_plain_jwt() {
    let token = World::signed(known()).token();
    let parts: Vec<String> = token
        .split('.')
        .take(2)
        .map(|part| String::from_utf8(Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap())
        .collect();
    expect_test::expect![[r#"
        {"alg":"HS256","kid":"a","typ":"my-pay-identity+jwt"}
        {"iss":"gateway","aud":"money","iat":1000,"exp":1020,"jti":"order-7","req":"luFZHEZ_TRJ5JIppW62ZsL7Vq21Qly-pxmFCyAgeSng","state":"known","sub":"10007","sid":"8","token_exp_us":1234567890123456}"#]]
    .assert_eq(&parts.join("\n"));
    assert!(!format!("{:?}", World::signed(known()).request).contains(&token), "kept out of logs");
}

#[test]
fn the_header_must_be_there_once_and_short() {
    check(|world| drop(world.request.headers.remove(X_MY_PAY_IDENTITY)), Refusal::Missing);
    check(
        |world| {
            let token = HeaderValue::from_str(&world.token()).unwrap();
            world.request.headers.append(X_MY_PAY_IDENTITY, token);
        },
        Refusal::Repeated,
    );
    check(
        |world| world.set_token(&format!("{}{}", world.token(), "A".repeat(1024))),
        Refusal::TooLong,
    );
    check(|world| world.set_token(&"A".repeat(30_000)), Refusal::TooLong);
}

#[test]
fn what_is_no_jws_of_ours_is_not_read() {
    let malformed = NotSigned::Malformed.into();
    for text in ["", ".", "..", "...", "a.b.c", "no dots", "e30.e30", "e30.e30."] {
        check(|world| world.set_token(text), malformed);
    }
    // With a part more, or not in ASCII.
    check(|world| world.set_token(&format!("{}.e30", world.token())), NotSigned::Signature.into());
    check(
        |world| {
            let bytes = [world.token().as_bytes(), b"\xff"].concat();
            let value = HeaderValue::from_bytes(&bytes).unwrap();
            world.request.headers.insert(X_MY_PAY_IDENTITY, value);
        },
        malformed,
    );
    // Unsigned, as the specification of JWT allows.
    check(
        |world| {
            let token = world.token();
            let header = Base64UrlUnpadded::encode_string(br#"{"alg":"none"}"#);
            let payload = token.split('.').nth(1).unwrap();
            world.set_token(&format!("{header}.{payload}."));
        },
        NotSigned::Algorithm.into(),
    );
}

/// Even with the right key: only the header that we write is accepted.
#[test]
fn algorithm_key_and_type_are_what_we_write() {
    for (header, expected) in [
        (r#"{"alg":"none","kid":"a","typ":"my-pay-identity+jwt"}"#, NotSigned::Algorithm),
        (r#"{"alg":"NONE","kid":"a","typ":"my-pay-identity+jwt"}"#, NotSigned::Algorithm),
        (r#"{"alg":"HS384","kid":"a","typ":"my-pay-identity+jwt"}"#, NotSigned::Algorithm),
        (r#"{"alg":"RS256","kid":"a","typ":"my-pay-identity+jwt"}"#, NotSigned::Algorithm),
        (r#"{"alg":"HS256","kid":"b","typ":"my-pay-identity+jwt"}"#, NotSigned::UnknownKey),
        (r#"{"alg":"HS256","kid":"","typ":"my-pay-identity+jwt"}"#, NotSigned::UnknownKey),
        (r#"{"alg":"HS256"}"#, NotSigned::UnknownKey),
        (r#"{"alg":"HS256","kid":"a","typ":"JWT"}"#, NotSigned::Header),
        (r#"{"alg":"HS256","kid":"a","typ":"my-pay-revocations+jwt"}"#, NotSigned::Header),
        (r#"{"alg":"HS256","kid":"a"}"#, NotSigned::Header),
        (r#"{"alg":"HS256","kid":"a","typ":"my-pay-identity+jwt","crit":[]}"#, NotSigned::Header),
        (r#"{}"#, NotSigned::Malformed),
        ("", NotSigned::Malformed),
    ] {
        check(|world| world.set_header(header), expected.into());
    }
    check(
        |world| {
            let token = forge(HEADER, "{}", &[8; 32]);
            world.set_token(&token);
        },
        NotSigned::Signature.into(),
    );
}

/// No bit may be changed, the last ones of each part included.
#[test]
fn every_flipped_bit_is_noticed() {
    let token = World::signed(known()).token();
    for index in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[index] ^= 1 << bit;
            let mut world = World::signed(known());
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { continue };
            world.request.headers.insert(X_MY_PAY_IDENTITY, value);
            let refused = world.verify().expect_err("a changed token");
            assert!(matches!(refused, Refusal::NotSigned(_)), "{index} {bit} {refused:?}");
        }
    }
}

#[test]
fn claims_are_read_strictly() {
    for (from, to) in [
        (r#""state":"known""#, r#""state":"admin""#),
        (r#""state":"known""#, r#""state":"anonymous""#),
        (r#""state":"known""#, r#""state":"service""#),
        (r#""sid":"8","#, ""),
        (r#""sub":"10007","#, ""),
        (r#""sub":"10007""#, r#""sub":10007"#),
        (r#""sub":"10007""#, r#""sub":"10007 ""#),
        (r#""iss":"gateway""#, r#""iss":"anybody""#),
        (r#""iss":"gateway","#, ""),
        (r#""iss":"gateway""#, r#""iss":"gateway","iss":"money""#),
        (r#""exp":1020,"#, ""),
        (r#""exp":1020"#, r#""exp":1020.5"#),
        (r#""req":"lu"#, r#""req":""#),
    ] {
        check(|world| world.set_claims(from, to), Refusal::Claims);
    }
    let long = format!(r#""jti":"{}""#, "x".repeat(65));
    check(|world| world.set_claims(r#""jti":"order-7""#, &long), Refusal::Claims);
}

#[test]
fn an_identity_is_for_one_audience() {
    for other in ["account", "gateway"] {
        let to = format!(r#""aud":"{other}""#);
        check(|world| world.set_claims(r#""aud":"money""#, &to), Refusal::Audience);
    }
}

/// From 5 seconds before it was made to 5 seconds after its end, which are 20 after that.
#[test]
fn an_identity_is_for_seconds() {
    let at = |seconds: i64, expected: Result<Subject, Refusal>| {
        let mut world = World::signed(known());
        world.clock = Clock::held(Timestamp::from_micros(seconds * 1_000_000));
        assert_eq!(world.verify(), expected, "{seconds}");
    };
    at(994, Err(Refusal::TooEarly));
    at(995, Ok(known()));
    at(1024, Ok(known()));
    at(1025, Err(Refusal::Expired));
    // Not even a holder of a key can make one that lasts.
    check(|world| world.set_claims(r#""exp":1020"#, r#""exp":1031"#), Refusal::TooEarly);
    check(|world| world.clock.advance(Duration::from_secs(25)), Refusal::Expired);
}

#[test]
fn an_identity_is_for_one_request() {
    let other = Refusal::OtherRequest;
    check(|world| world.request.method = hyper::Method::PUT, other);
    for uri in [
        "/money/v1/transfers",
        "/money/v1/transfers?dry=2",
        "/money/v1/transfers?dry=1&dry=1",
        "/money/v1/deposits?dry=1",
        "/",
    ] {
        check(|world| world.request.uri = uri.parse().unwrap(), other);
    }
    check(|world| world.body = br#"{"amount":6}"#.to_vec(), other);
    check(|world| world.body.clear(), other);
    check(
        |world| {
            world.request.headers.insert("idempotency-key", HeaderValue::from_static("k-2"));
        },
        other,
    );
    check(|world| drop(world.request.headers.remove("idempotency-key")), other);
    check(
        |world| {
            world.request.headers.append("idempotency-key", HeaderValue::from_static("k-1"));
        },
        other,
    );
    check(|world| drop(world.request.headers.remove("content-type")), other);
    // The head's last line moved into the body.
    check(
        |world| {
            world.request.headers.remove("idempotency-key");
            world.body = [b"idempotency-key:k-1\n\n", BODY].concat();
        },
        other,
    );
    // What is on its way may name the host or not.
    let mut world = World::signed(known());
    world.request.uri = "http://10.0.0.1:8082/money/v1/transfers?dry=1".parse().unwrap();
    assert_eq!(world.verify(), Ok(known()));
}
