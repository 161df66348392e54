//! Answers whose a token or API key is, to the gateway.

use service::{
    BoxFuture,
    contract::{
        identity::{Asker, Identity},
        introspection::{Introspection, IntrospectionUnavailable, TokenDigest},
        revocations::Revocations,
    },
};

use crate::AccountService;

impl Introspection for AccountService {
    fn introspect(
        &self,
        token: TokenDigest,
    ) -> BoxFuture<'_, Result<Option<Identity>, IntrospectionUnavailable>> {
        Box::pin(async move {
            let now = self.0.clock.now();
            let found = self.0.store.introspect(token, now).await;
            self.0.metrics.count_introspection(&found);
            if let Ok(Some(Identity { asker: Asker::ApiKey { id }, .. })) = found {
                self.0.last_uses.note(id, now);
            }
            found.map_err(|error| IntrospectionUnavailable(error.into()))
        })
    }

    fn account_exists(
        &self,
        account_id: i64,
    ) -> BoxFuture<'_, Result<bool, IntrospectionUnavailable>> {
        Box::pin(async move {
            let found = self.0.store.account(account_id).await;
            let found = found.map_err(|error| IntrospectionUnavailable(error.into()))?;
            Ok(found.is_some())
        })
    }

    fn revocations(&self) -> Revocations {
        self.subscribe_to_revocations()
    }
}
