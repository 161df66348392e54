//! Calls money services as the gateway does, so that neither its choice of an instance nor what it
//! knows of tokens is between a test and the money.

use std::time::Duration;

use hyper::Request;
use serde_json::json;
use service::{
    clock::Clock,
    contract::identity::{Caller, Identity, Keys, Party, Signer, Subject},
};

use crate::support::{Client, Person, Response, cluster::IDENTITY_KEY, person::unique};

/// Who signs.
#[derive(Clone)]
pub struct Inside {
    signer: Signer,
    clock: Clock,
}

impl Inside {
    pub fn new() -> Self {
        let (keys, clock) = (Keys::parse(&[IDENTITY_KEY]).unwrap(), Clock::system());
        Self { signer: Signer::new(keys, Party::Gateway, clock.clone()), clock }
    }

    /// Sends money from one to the other. No answer means that the instance is not there.
    pub async fn transfer(
        &self,
        money: &Client,
        [from, to]: [&Person; 2],
        key: &str,
        amount: i64,
    ) -> Option<Response> {
        const PATH: &str = "/money/v1/transfers";
        let body = json!({"receiverWalletId": to.wallet_id, "amount": amount});
        let request_id = format!("request-{}", unique());
        let (parts, ()) = Request::post(PATH)
            .header("x-request-id", &request_id)
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(())
            .unwrap()
            .into_parts();
        let expires_at = self.clock.now().plus(Duration::from_mins(10));
        let identity = Identity::person(from.account_id, 1, expires_at);
        let subject = Subject::Caller(Caller::Known(identity));
        let bytes = body.to_string();
        let signed = self.signer.sign(subject, Party::Money, &parts, bytes.as_bytes());
        let call = money.post(PATH).header("x-request-id", &request_id).key(key).json(&body);
        call.header("x-my-pay-identity", signed.to_str().unwrap()).exchange().await.ok()
    }
}
