//! What is sent.

use std::fmt::Write as _;

use service::clock::Clock;

use crate::serve::Sender;

/// One kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// An empty authenticated POST and JSON answer: all that the edge costs, and nothing else.
    Echo,
    /// Transfers from any sender to any wallet, keys growing with time (UUIDv7).
    Uniform,
    /// The same with random keys (UUIDv4).
    RandomKeys,
    /// Transfers from any sender to one wallet.
    OneWallet,
}

impl Load {
    pub(crate) const ALL: [Self; 4] =
        [Self::Echo, Self::Uniform, Self::RandomKeys, Self::OneWallet];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Uniform => "transfers",
            Self::RandomKeys => "transfers, random keys",
            Self::OneWallet => "transfers into one wallet",
        }
    }

    /// The status of a success.
    pub(crate) fn status(self) -> &'static [u8; 3] {
        match self {
            Self::Echo => b"200",
            Self::Uniform | Self::RandomKeys | Self::OneWallet => b"201",
        }
    }

    /// Writes one request.
    pub(crate) fn write(self, to: &mut String, sender: &Sender, receiver: i64, random: u128) {
        to.clear();
        let token = &sender.token;
        let (path, key, body) = match self {
            Self::Echo => ("/echo", None, "{}".to_owned()),
            Self::Uniform | Self::OneWallet => {
                // From our own random bits: the system's would cost a call for each key.
                let millis = Clock::system().now().as_millis();
                let random = random.to_be_bytes();
                let bits = random.first_chunk::<10>().expect("sixteen bytes have ten");
                let key = uuid::Builder::from_unix_timestamp_millis(millis, bits).into_uuid();
                ("/money/v1/transfers", Some(key), transfer(receiver))
            }
            Self::RandomKeys => {
                let key = uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid();
                ("/money/v1/transfers", Some(key), transfer(receiver))
            }
        };
        write!(
            to,
            "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        )
        .expect("writing to a string cannot fail");
        if let Some(key) = key {
            write!(to, "idempotency-key: {key}\r\n").expect("writing to a string cannot fail");
        }
        to.push_str("\r\n");
        to.push_str(&body);
    }
}

fn transfer(receiver: i64) -> String {
    format!(r#"{{"receiverWalletId":{receiver},"amount":1,"summary":"bench"}}"#)
}
