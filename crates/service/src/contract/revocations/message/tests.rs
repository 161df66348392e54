//! Old readers read what this version writes; this version reads what old and later ones write.

use serde::Deserialize;

use super::*;

/// The reader of version 0.1, which refuses every member that it does not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Version0_1 {
    publisher: String,
    sequence: u64,
    sent_at_us: i64,
    missed: bool,
    revoked: Vec<String>,
}

const NOW: Timestamp = Timestamp::from_micros(1_000_000);

fn keys() -> Keys {
    let secret = base64ct::Base64::encode_string(&[7; 32]);
    Keys::parse(&[format!("a:{secret}")]).unwrap()
}

fn message() -> Message {
    let revoked = vec![TokenDigest([1; 32])];
    Message { publisher: "p".to_owned(), sequence: 4, missed: false, revoked }
}

fn read(payload: &str) -> Result<Message, NotHeeded> {
    let signed = keys().sign(MessageKind::Revocations, payload.as_bytes());
    Message::verify(signed.as_bytes(), &keys(), NOW)
}

#[test]
fn readers_of_version_0_1_read_what_is_written() {
    let signed = message().sign(&keys(), NOW);
    let payload = keys().verify(MessageKind::Revocations, &signed).unwrap();
    let read: Version0_1 = serde_json::from_slice(&payload).unwrap();
    assert_eq!((read.publisher.as_str(), read.sequence, read.missed), ("p", 4, false));
    assert_eq!((read.sent_at_us, read.revoked.len()), (1_000_000, 1));
}

#[test]
fn what_version_0_1_and_later_ones_write_is_read() {
    let token = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    for extra in ["", r#","later":[{"x":1}]"#] {
        let text = format!(
            r#"{{"publisher":"p","sequence":4,"sent_at_us":1000000,"missed":false,
                "revoked":["{token}"]{extra}}}"#
        );
        assert_eq!(read(&text), Ok(message()), "{text}");
        let critical = text.replace("\"missed\"", "\"crit\":[\"later\"],\"missed\"");
        assert_eq!(read(&critical), Err(NotHeeded::Content), "{critical}");
    }
}
