//! What every store must do with API keys, and with what operators end.

use std::time::Duration;

use service::{
    clock::Timestamp,
    contract::{
        identity::Identity,
        introspection::TokenDigest,
        scope::{Scope, Scopes},
    },
};

use super::{Case, DAY, at};
use crate::{
    api_keys::{ApiKey, ChangedKey, Deed, InsertApiKey, KeyRefusal, KeyRotation, LastUse, Manager},
    store::EndedToken,
};

const COMMAND: Manager = Manager::Command;

fn secret(number: u32) -> TokenDigest {
    TokenDigest::of(&format!("key {number}"))
}

fn deed(by: Manager, minutes: u32) -> Deed {
    Deed { at: at(minutes), by }
}

fn scopes() -> Scopes {
    Scopes::of(&[Scope::KeysWrite, Scope::WalletsRead])
}

/// Key `id` with the secret of that number, created at the beginning by a command.
fn new(id: i64) -> InsertApiKey {
    InsertApiKey {
        id,
        name: format!("Key {id}"),
        scopes: scopes(),
        expires_at: None,
        secret: secret(u32::try_from(id).unwrap()),
        created: deed(COMMAND, 0),
    }
}

impl Case {
    async fn insert_key(&self, new: InsertApiKey) -> Result<ApiKey, KeyRefusal> {
        self.store().insert_api_key(new, 4).await.unwrap()
    }

    async fn rotate_key(
        &self,
        id: i64,
        next: u32,
        rotated: Deed,
    ) -> Result<ChangedKey, KeyRefusal> {
        let rotation = KeyRotation { id, secret: secret(next), overlap: DAY, rotated };
        self.store().rotate_api_key(rotation).await.unwrap()
    }

    async fn key_of(&self, number: u32, now: Timestamp) -> Option<Identity> {
        self.store().introspect(secret(number), now).await.unwrap()
    }

    async fn told(&self) -> Vec<TokenDigest> {
        let told = self.store().revocations_after(0, 1000).await.unwrap();
        told.iter().map(|token| token.digest).collect()
    }
}

pub(super) async fn keys_are_known_by_their_secret_until_they_end(case: Case) {
    let store = case.store();
    let inserted = case.insert_key(new(1)).await.unwrap();
    let expected = ApiKey {
        id: 1,
        name: "Key 1".to_owned(),
        scopes: scopes(),
        created: deed(COMMAND, 0),
        expires_at: None,
        rotated: None,
        revoked: None,
        last_used_at: None,
    };
    assert_eq!(inserted, expected);
    assert_eq!(store.api_key(1).await.unwrap(), Some(expected));
    assert_eq!(store.api_key(2).await.unwrap(), None);
    let endless = Identity::api_key(1, scopes(), Identity::NEVER);
    assert_eq!(case.key_of(1, at(0)).await, Some(endless));
    assert_eq!(case.key_of(1, at(u32::MAX)).await, Some(endless));
    assert_eq!(case.key_of(2, at(0)).await, None);

    let ends = InsertApiKey { expires_at: Some(at(10)), ..new(2) };
    case.insert_key(ends).await.unwrap();
    let last = Timestamp::from_micros(at(10).as_micros() - 1);
    let ending = Identity::api_key(2, scopes(), at(10));
    assert_eq!(case.key_of(2, last).await, Some(ending));
    assert_eq!(case.key_of(2, at(10)).await, None);
    // No secret of it goes on for longer.
    let rotated = case.rotate_key(2, 3, deed(COMMAND, 9)).await.unwrap();
    assert_eq!(rotated.previous_valid_until, Some(at(10)));
    assert_eq!(case.key_of(2, last).await, Some(ending));
    assert_eq!(case.key_of(3, at(10)).await, None);
    assert_eq!(case.rotate_key(2, 4, deed(COMMAND, 10)).await, Err(KeyRefusal::Expired));
}

pub(super) async fn a_rotated_key_has_two_secrets_for_a_while(case: Case) {
    let mut key = case.insert_key(new(1)).await.unwrap();
    let (first, second) = (deed(COMMAND, 1), deed(Manager::ApiKey { id: 1 }, 2));
    key.rotated = Some(first);
    let previous_valid_until = Some(at(1).plus(DAY));
    let expected = ChangedKey { key: key.clone(), previous_valid_until, ended: vec![secret(1)] };
    assert_eq!(case.rotate_key(1, 11, first).await, Ok(expected));
    let ends = |end| Some(Identity::api_key(1, scopes(), end));
    let last = Timestamp::from_micros(at(1).plus(DAY).as_micros() - 1);
    assert_eq!(case.key_of(1, last).await, ends(at(1).plus(DAY)));
    assert_eq!(case.key_of(1, at(1).plus(DAY)).await, None);
    assert_eq!(case.key_of(11, at(u32::MAX)).await, ends(Identity::NEVER));

    // A third secret ends the first, which would have gone on.
    key.rotated = Some(second);
    let previous_valid_until = Some(at(2).plus(DAY));
    let ended = vec![secret(1), secret(11)];
    let expected = ChangedKey { key: key.clone(), previous_valid_until, ended };
    assert_eq!(case.rotate_key(1, 12, second).await, Ok(expected));
    assert_eq!(case.key_of(1, at(2)).await, None);
    assert_eq!(case.key_of(11, at(2)).await, ends(at(2).plus(DAY)));
    assert_eq!(case.key_of(12, at(2)).await, ends(Identity::NEVER));

    // Without an overlap the secret of before ends at once.
    let rotated = deed(COMMAND, 3);
    let at_once = KeyRotation { id: 1, secret: secret(13), overlap: Duration::ZERO, rotated };
    let changed = case.store().rotate_api_key(at_once).await.unwrap().unwrap();
    assert_eq!(changed.previous_valid_until, None);
    assert_eq!(case.key_of(11, at(3)).await, None);
    assert_eq!(case.key_of(12, at(3)).await, None);
    assert_eq!(case.key_of(13, at(3)).await, ends(Identity::NEVER));
    assert_eq!(case.store().api_key(1).await.unwrap().unwrap().rotated, Some(rotated));
    // Caches ask again for each secret whose end has changed.
    let told = [1, 1, 11, 11, 12].map(secret);
    assert_eq!(case.told().await, told);
    assert_eq!(case.rotate_key(2, 14, rotated).await, Err(KeyRefusal::Unknown));
}

pub(super) async fn revoked_keys_stay_revoked_and_are_told(case: Case) {
    let store = case.store();
    for id in [1, 2] {
        case.insert_key(new(id)).await.unwrap();
    }
    case.rotate_key(1, 11, deed(COMMAND, 1)).await.unwrap();
    let newest = store.newest_revocation().await.unwrap();
    let by_key = deed(Manager::ApiKey { id: 2 }, 2);
    let revoked = store.revoke_api_key(1, by_key).await.unwrap().unwrap();
    assert_eq!((revoked.key.revoked, &revoked.ended[..]), (Some(by_key), &[1, 11].map(secret)[..]));
    assert_eq!(case.key_of(1, at(2)).await, None);
    assert_eq!(case.key_of(11, at(2)).await, None);
    assert!(case.key_of(2, at(2)).await.is_some());
    let told = store.revocations_after(newest, 1).await.unwrap();
    assert_eq!(told, [EndedToken { sequence: newest + 1, digest: secret(1) }]);
    let told = store.revocations_after(newest + 1, 10).await.unwrap();
    assert_eq!(told, [EndedToken { sequence: newest + 2, digest: secret(11) }]);
    assert_eq!(store.newest_revocation().await.unwrap(), newest + 2);

    let again = store.revoke_api_key(1, deed(COMMAND, 3)).await.unwrap().unwrap();
    assert_eq!((again.key.revoked, again.ended), (Some(by_key), vec![]), "nothing happens");
    assert_eq!(case.rotate_key(1, 12, deed(COMMAND, 3)).await, Err(KeyRefusal::Revoked));
    assert_eq!(store.api_key(1).await.unwrap().unwrap().revoked, Some(by_key));
    let unknown = store.revoke_api_key(3, deed(COMMAND, 3)).await.unwrap();
    assert_eq!(unknown, Err(KeyRefusal::Unknown));
    // A key that is revoked manages nothing any more, whatever a gateway still believes.
    let ended = deed(Manager::ApiKey { id: 1 }, 3);
    let refusal = Err(KeyRefusal::ManagerEnded);
    assert_eq!(store.revoke_api_key(2, ended).await.unwrap(), refusal);
    assert_eq!(case.rotate_key(2, 12, ended).await, refusal);
    let created = InsertApiKey { created: ended, ..new(3) };
    assert_eq!(case.insert_key(created).await.map(|_| ()), Err(KeyRefusal::ManagerEnded));
    assert!(case.key_of(2, at(3)).await.is_some());
}

pub(super) async fn keys_give_nothing_that_they_lack(case: Case) {
    let weak = InsertApiKey { expires_at: Some(at(60)), ..new(1) };
    case.insert_key(weak).await.unwrap();
    let strong = InsertApiKey { scopes: Scopes::ALL, ..new(2) };
    case.insert_key(strong).await.unwrap();
    let by_weak = deed(Manager::ApiKey { id: 1 }, 1);
    let beyond = Err(KeyRefusal::BeyondScopes(Scopes::of(&[Scope::MoneyFund])));
    let outlives = Err(KeyRefusal::Outlives(at(60)));
    let create = async |id, scopes, expires_at| {
        let new = InsertApiKey { scopes, expires_at, created: by_weak, ..new(id) };
        case.insert_key(new).await.map(|key| key.created)
    };
    assert_eq!(create(3, scopes().with(Scope::MoneyFund), Some(at(60))).await, beyond);
    assert_eq!(create(3, scopes(), None).await, outlives);
    assert_eq!(create(3, scopes(), Some(at(61))).await, outlives);
    assert_eq!(create(3, scopes(), Some(at(60))).await, Ok(by_weak));
    assert_eq!(case.store().api_key(3).await.unwrap().unwrap().created, by_weak);
    // The asker who rotates a key gets its secret.
    let missing = Scopes::ALL.without(scopes());
    let rotated = case.rotate_key(2, 12, by_weak).await;
    assert_eq!(rotated, Err(KeyRefusal::BeyondScopes(missing)));
    case.insert_key(new(4)).await.unwrap();
    assert_eq!(case.rotate_key(4, 12, by_weak).await.map(|_| by_weak), outlives);
    assert!(case.rotate_key(3, 13, by_weak).await.is_ok());
    assert!(case.rotate_key(1, 14, by_weak).await.is_ok(), "itself");
    assert!(case.rotate_key(1, 15, deed(Manager::ApiKey { id: 2 }, 1)).await.is_ok());
    assert_eq!(case.key_of(12, at(1)).await, None);
}

pub(super) async fn live_keys_are_bounded_and_listed_first(case: Case) {
    let store = case.store();
    for id in 1..=4 {
        let expires_at = (id == 1).then(|| at(1));
        case.insert_key(InsertApiKey { expires_at, ..new(id) }).await.unwrap();
    }
    let insert = async |id, minutes| {
        let new = InsertApiKey { created: deed(COMMAND, minutes), ..new(id) };
        case.insert_key(new).await.map(|key| key.id)
    };
    assert_eq!(insert(5, 0).await, Err(KeyRefusal::TooMany));
    store.revoke_api_key(3, deed(COMMAND, 0)).await.unwrap().unwrap();
    assert_eq!(insert(5, 0).await, Ok(5));
    assert_eq!(insert(6, 0).await, Err(KeyRefusal::TooMany));
    // The first has expired.
    assert_eq!(insert(6, 1).await, Ok(6));
    let listed = store.api_keys(at(1)).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|key| key.id).collect();
    assert_eq!(ids, [6, 5, 4, 2, 3, 1], "what has ended is last");
}

pub(super) async fn the_last_use_never_goes_back(case: Case) {
    let store = case.store();
    for id in [1, 2] {
        case.insert_key(new(id)).await.unwrap();
    }
    let note = async |uses: &[(i64, u32)]| {
        let uses = uses.iter().map(|(id, minutes)| LastUse { id: *id, at: at(*minutes) });
        store.note_api_key_uses(uses.collect()).await.unwrap();
        let last_use = async |id| store.api_key(id).await.unwrap().unwrap().last_used_at;
        [last_use(1).await, last_use(2).await]
    };
    assert_eq!(note(&[(1, 5)]).await, [Some(at(5)), None]);
    assert_eq!(note(&[(1, 7), (2, 3), (3, 9)]).await, [Some(at(7)), Some(at(3))]);
    assert_eq!(note(&[(1, 6), (2, 4)]).await, [Some(at(7)), Some(at(4))]);
}

pub(super) async fn old_revocations_are_purged(case: Case) {
    for id in 1..=4 {
        case.insert_key(new(id)).await.unwrap();
    }
    let revoke = async |id, minutes| {
        case.store().revoke_api_key(id, deed(COMMAND, minutes)).await.unwrap().unwrap();
    };
    for id in 1..=3 {
        revoke(id, 0).await;
    }
    assert_eq!(case.told().await, [1, 2, 3].map(secret));
    // Not before no cache can remember them.
    revoke(4, 24 * 60 - 1).await;
    assert_eq!(case.told().await, [1, 2, 3, 4].map(secret));
    case.insert_key(new(5)).await.unwrap();
    revoke(5, 24 * 60).await;
    assert_eq!(case.told().await, [4, 5].map(secret));
    assert_eq!(case.store().newest_revocation().await.unwrap(), 5);
}
