//! The tables `api_keys` and `api_key_secrets`.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use service::{
    clock::Timestamp,
    contract::{identity::Identity, introspection::TokenDigest, scope::Scopes},
};

use super::{revocations, rows};
use crate::api_keys::{
    API_KEYS_MAX, ApiKey, ApiKeyState, ChangedKey, Deed, InsertApiKey, KeyRefusal, KeyRotation,
    LastUse, Manager, check_power,
};

const SELECT: &str = "SELECT id, name, scopes, created_at, created_by, expires_at, rotated_at,
        rotated_by, revoked_at, revoked_by, last_used_at FROM api_keys";

pub(super) fn insert(
    db: &Connection,
    new: &InsertApiKey,
    live_max: u32,
) -> rusqlite::Result<Result<ApiKey, KeyRefusal>> {
    let now = new.created.at;
    let manager = match find_manager(db, new.created.by)? {
        Ok(manager) => manager,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Err(refusal) = check_power(manager.as_ref(), new.scopes, new.expires_at, now) {
        return Ok(Err(refusal));
    }
    if count_live(db, now)? >= live_max {
        return Ok(Err(KeyRefusal::TooMany));
    }
    db.prepare_cached(
        "INSERT INTO api_keys (id, name, scopes, created_at, created_by, expires_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        new.id,
        new.name,
        new.scopes.to_string(),
        now.as_micros(),
        rows::manager_id(new.created.by),
        new.expires_at.map(Timestamp::as_micros),
    ])?;
    insert_secret(db, new.id, new.secret, now)?;
    Ok(Ok(ApiKey {
        id: new.id,
        name: new.name.clone(),
        scopes: new.scopes,
        created: new.created,
        expires_at: new.expires_at,
        rotated: None,
        revoked: None,
        last_used_at: None,
    }))
}

pub(super) fn rotate(
    db: &Connection,
    rotation: KeyRotation,
) -> rusqlite::Result<Result<ChangedKey, KeyRefusal>> {
    let KeyRotation { id, secret, overlap, rotated } = rotation;
    let now = rotated.at;
    let manager = match find_manager(db, rotated.by)? {
        Ok(manager) => manager,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Some(mut key) = find(db, id)? else { return Ok(Err(KeyRefusal::Unknown)) };
    match key.state(now) {
        ApiKeyState::Revoked => return Ok(Err(KeyRefusal::Revoked)),
        ApiKeyState::Expired => return Ok(Err(KeyRefusal::Expired)),
        ApiKeyState::Active => {}
    }
    if let Err(refusal) = check_power(manager.as_ref(), key.scopes, key.expires_at, now) {
        return Ok(Err(refusal));
    }
    let ended = secrets(db, id)?;
    // The secret before the last one ends. The last one goes on for a while, or ends too.
    db.prepare_cached(
        "DELETE FROM api_key_secrets WHERE api_key_id = ? AND valid_until IS NOT NULL",
    )?
    .execute([id])?;
    let valid_until = key.expires_at.map_or(now.plus(overlap), |end| end.min(now.plus(overlap)));
    db.prepare_cached("UPDATE api_key_secrets SET valid_until = ? WHERE api_key_id = ?")?
        .execute(params![valid_until.as_micros(), id])?;
    insert_secret(db, id, secret, now)?;
    db.prepare_cached("UPDATE api_keys SET rotated_at = ?, rotated_by = ? WHERE id = ?")?
        .execute(params![now.as_micros(), rows::manager_id(rotated.by), id])?;
    revocations::append(db, &ended, now)?;
    key.rotated = Some(rotated);
    let previous_valid_until = (valid_until > now).then_some(valid_until);
    Ok(Ok(ChangedKey { key, previous_valid_until, ended }))
}

pub(super) fn revoke(
    db: &Connection,
    id: i64,
    revoked: Deed,
) -> rusqlite::Result<Result<ChangedKey, KeyRefusal>> {
    let now = revoked.at;
    let manager = match find_manager(db, revoked.by)? {
        Ok(manager) => manager,
        Err(refusal) => return Ok(Err(refusal)),
    };
    // Nothing is gained by a revocation, so that any managing key may revoke any key.
    if let Err(refusal) = check_power(manager.as_ref(), Scopes::NONE, Some(now), now) {
        return Ok(Err(refusal));
    }
    let Some(mut key) = find(db, id)? else { return Ok(Err(KeyRefusal::Unknown)) };
    let mut ended = Vec::new();
    if key.revoked.is_none() {
        ended = secrets(db, id)?;
        db.prepare_cached("DELETE FROM api_key_secrets WHERE api_key_id = ?")?.execute([id])?;
        db.prepare_cached("UPDATE api_keys SET revoked_at = ?, revoked_by = ? WHERE id = ?")?
            .execute(params![now.as_micros(), rows::manager_id(revoked.by), id])?;
        revocations::append(db, &ended, now)?;
        key.revoked = Some(revoked);
    }
    Ok(Ok(ChangedKey { key, previous_valid_until: None, ended }))
}

pub(super) fn find(db: &Connection, id: i64) -> rusqlite::Result<Option<ApiKey>> {
    db.prepare_cached(&format!("{SELECT} WHERE id = ?"))?.query_row([id], read).optional()
}

/// Those that have not ended first, and each part newest first.
pub(super) fn list(db: &Connection, now: Timestamp) -> rusqlite::Result<Vec<ApiKey>> {
    db.prepare_cached(&format!(
        "{SELECT} ORDER BY revoked_at IS NOT NULL OR COALESCE(expires_at <= ?, 0), id DESC LIMIT ?"
    ))?
    .query_map(params![now.as_micros(), API_KEYS_MAX], read)?
    .collect()
}

pub(super) fn introspect(
    db: &Connection,
    secret: TokenDigest,
    now: Timestamp,
) -> rusqlite::Result<Option<Identity>> {
    db.prepare_cached(
        "SELECT k.id, k.scopes, k.expires_at, s.valid_until
         FROM api_key_secrets s INNER JOIN api_keys k ON k.id = s.api_key_id
         WHERE s.digest = ?1 AND k.revoked_at IS NULL
           AND COALESCE(k.expires_at > ?2, 1) AND COALESCE(s.valid_until > ?2, 1)",
    )?
    .query_row(params![secret.0, now.as_micros()], |row| {
        let ends = [rows::moment(row, "expires_at")?, rows::moment(row, "valid_until")?];
        let end = ends.into_iter().flatten().min().unwrap_or(Identity::NEVER);
        Ok(Identity::api_key(row.get("id")?, scopes(row)?, end))
    })
    .optional()
}

pub(super) fn note_uses(db: &Connection, uses: &[LastUse]) -> rusqlite::Result<()> {
    let mut update = db.prepare_cached(
        "UPDATE api_keys SET last_used_at = ?1
         WHERE id = ?2 AND COALESCE(last_used_at < ?1, 1)",
    )?;
    for LastUse { id, at } in uses {
        update.execute(params![at.as_micros(), id])?;
    }
    Ok(())
}

/// The managing key, if it is one. A key that is not there has never asked.
fn find_manager(
    db: &Connection,
    manager: Manager,
) -> rusqlite::Result<Result<Option<ApiKey>, KeyRefusal>> {
    match manager {
        Manager::Command => Ok(Ok(None)),
        Manager::ApiKey { id } => Ok(find(db, id)?.map(Some).ok_or(KeyRefusal::ManagerEnded)),
    }
}

fn count_live(db: &Connection, now: Timestamp) -> rusqlite::Result<u32> {
    db.prepare_cached(
        "SELECT COUNT(*) FROM api_keys
         WHERE revoked_at IS NULL AND COALESCE(expires_at > ?, 1)",
    )?
    .query_row([now.as_micros()], |row| row.get(0))
}

fn insert_secret(
    db: &Connection,
    id: i64,
    secret: TokenDigest,
    now: Timestamp,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO api_key_secrets (digest, api_key_id, created_at) VALUES (?, ?, ?)",
    )?
    .execute(params![secret.0, id, now.as_micros()])?;
    Ok(())
}

/// The secrets of a key, oldest first: two at most.
fn secrets(db: &Connection, id: i64) -> rusqlite::Result<Vec<TokenDigest>> {
    db.prepare_cached(
        "SELECT digest FROM api_key_secrets WHERE api_key_id = ? ORDER BY valid_until IS NULL",
    )?
    .query_map([id], |row| rows::digest(row, "digest"))?
    .collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey {
        id: row.get("id")?,
        name: row.get("name")?,
        scopes: scopes(row)?,
        created: Deed {
            at: rows::timestamp(row, "created_at")?,
            by: rows::manager(row, "created_by")?,
        },
        expires_at: rows::moment(row, "expires_at")?,
        rotated: deed(row, "rotated_at", "rotated_by")?,
        revoked: deed(row, "revoked_at", "revoked_by")?,
        last_used_at: rows::moment(row, "last_used_at")?,
    })
}

/// Scopes of a later version allow nothing here.
fn scopes(row: &Row<'_>) -> rusqlite::Result<Scopes> {
    Ok(Scopes::known(&row.get::<_, String>("scopes")?))
}

fn deed(row: &Row<'_>, at: &str, by: &str) -> rusqlite::Result<Option<Deed>> {
    let Some(at) = rows::moment(row, at)? else { return Ok(None) };
    Ok(Some(Deed { at, by: rows::manager(row, by)? }))
}
