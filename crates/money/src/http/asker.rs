//! Who asks, and for whom, in the ledger's words.

use ledger::{AccountId, ApiKeyId, Asker, IdempotencyKey};
use service::contract::identity;

/// Who asks.
pub(super) fn asker(asker: identity::Asker) -> Asker {
    match asker {
        identity::Asker::Person { account_id, .. } => Asker::Account(AccountId(account_id)),
        identity::Asker::ApiKey { id } => Asker::ApiKey(ApiKeyId(id)),
    }
}

/// The asker's idempotency key.
pub(super) fn idempotency_key(by: identity::Asker, key: String) -> IdempotencyKey {
    IdempotencyKey { asker: asker(by), key }
}
