//! The tables `api_keys` and `api_key_secrets`. Whatever creates a key holds the row of their
//! counter, and whatever changes one holds the key's row; a managing key's row is held as well, so
//! that it cannot be revoked in between.

use mysql_async::{Conn, Result, Row, prelude::Queryable};
use service::{
    clock::Timestamp,
    contract::{identity::Identity, introspection::TokenDigest, scope::Scopes},
};

use super::{id_blocks, revocations, rows};
use crate::api_keys::{
    API_KEYS_MAX, ApiKey, ApiKeyState, ChangedKey, Deed, InsertApiKey, KeyRefusal, KeyRotation,
    LastUse, Manager, check_power,
};

const SELECT: &str = "SELECT id, name, scopes, created_at, created_by, expires_at, rotated_at,
        rotated_by, revoked_at, revoked_by, last_used_at FROM api_keys";

pub(super) async fn insert(
    conn: &mut Conn,
    new: &InsertApiKey,
    live_max: u32,
) -> Result<std::result::Result<ApiKey, KeyRefusal>> {
    let now = new.created.at;
    // Two that create at the same time would both find room for one.
    id_blocks::lock(conn, "api_keys").await?;
    let Locked { manager, .. } = match lock(conn, new.created.by, None).await? {
        Ok(locked) => locked,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Err(refusal) = check_power(manager.as_ref(), new.scopes, new.expires_at, now) {
        return Ok(Err(refusal));
    }
    if count_live(conn, now).await? >= live_max {
        return Ok(Err(KeyRefusal::TooMany));
    }
    conn.exec_drop(
        "INSERT INTO api_keys (id, name, scopes, created_at, created_by, expires_at)
         VALUES (?, ?, ?, ?, ?, ?)",
        (
            new.id,
            &new.name,
            new.scopes.to_string(),
            now.as_micros(),
            rows::manager_id(new.created.by),
            new.expires_at.map(Timestamp::as_micros),
        ),
    )
    .await?;
    insert_secret(conn, new.id, new.secret, now).await?;
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

pub(super) async fn rotate(
    conn: &mut Conn,
    rotation: KeyRotation,
) -> Result<std::result::Result<ChangedKey, KeyRefusal>> {
    let KeyRotation { id, secret, overlap, rotated } = rotation;
    let now = rotated.at;
    let Locked { manager, key } = match lock(conn, rotated.by, Some(id)).await? {
        Ok(locked) => locked,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Some(mut key) = key else { return Ok(Err(KeyRefusal::Unknown)) };
    match key.state(now) {
        ApiKeyState::Revoked => return Ok(Err(KeyRefusal::Revoked)),
        ApiKeyState::Expired => return Ok(Err(KeyRefusal::Expired)),
        ApiKeyState::Active => {}
    }
    if let Err(refusal) = check_power(manager.as_ref(), key.scopes, key.expires_at, now) {
        return Ok(Err(refusal));
    }
    let ended = secrets(conn, id).await?;
    // The secret before the last one ends. The last one goes on for a while, or ends too.
    conn.exec_drop(
        "DELETE FROM api_key_secrets WHERE api_key_id = ? AND valid_until IS NOT NULL",
        (id,),
    )
    .await?;
    let valid_until = key.expires_at.map_or(now.plus(overlap), |end| end.min(now.plus(overlap)));
    conn.exec_drop(
        "UPDATE api_key_secrets SET valid_until = ? WHERE api_key_id = ?",
        (valid_until.as_micros(), id),
    )
    .await?;
    insert_secret(conn, id, secret, now).await?;
    conn.exec_drop(
        "UPDATE api_keys SET rotated_at = ?, rotated_by = ? WHERE id = ?",
        (now.as_micros(), rows::manager_id(rotated.by), id),
    )
    .await?;
    revocations::append(conn, &ended, now).await?;
    key.rotated = Some(rotated);
    let previous_valid_until = (valid_until > now).then_some(valid_until);
    Ok(Ok(ChangedKey { key, previous_valid_until, ended }))
}

pub(super) async fn revoke(
    conn: &mut Conn,
    id: i64,
    revoked: Deed,
) -> Result<std::result::Result<ChangedKey, KeyRefusal>> {
    let now = revoked.at;
    let Locked { manager, key } = match lock(conn, revoked.by, Some(id)).await? {
        Ok(locked) => locked,
        Err(refusal) => return Ok(Err(refusal)),
    };
    // Nothing is gained by a revocation, so that any managing key may revoke any key.
    if let Err(refusal) = check_power(manager.as_ref(), Scopes::NONE, Some(now), now) {
        return Ok(Err(refusal));
    }
    let Some(mut key) = key else { return Ok(Err(KeyRefusal::Unknown)) };
    let mut ended = Vec::new();
    if key.revoked.is_none() {
        ended = secrets(conn, id).await?;
        conn.exec_drop("DELETE FROM api_key_secrets WHERE api_key_id = ?", (id,)).await?;
        conn.exec_drop(
            "UPDATE api_keys SET revoked_at = ?, revoked_by = ? WHERE id = ?",
            (now.as_micros(), rows::manager_id(revoked.by), id),
        )
        .await?;
        revocations::append(conn, &ended, now).await?;
        key.revoked = Some(revoked);
    }
    Ok(Ok(ChangedKey { key, previous_valid_until: None, ended }))
}

/// One key. `lock` is empty or `FOR UPDATE`.
pub(super) async fn find(conn: &mut Conn, id: i64, lock: &str) -> Result<Option<ApiKey>> {
    let found: Option<Row> =
        conn.exec_first(format!("{SELECT} WHERE id = ? {lock}"), (id,)).await?;
    found.as_ref().map(read).transpose()
}

/// Those that have not ended first, and each part newest first.
pub(super) async fn list(conn: &mut Conn, now: Timestamp) -> Result<Vec<ApiKey>> {
    let found: Vec<Row> = conn
        .exec(
            format!(
                "{SELECT} ORDER BY (revoked_at IS NOT NULL OR COALESCE(expires_at <= ?, 0)),
                     id DESC LIMIT ?"
            ),
            (now.as_micros(), API_KEYS_MAX),
        )
        .await?;
    found.iter().map(read).collect()
}

pub(super) async fn introspect(
    conn: &mut Conn,
    secret: TokenDigest,
    now: Timestamp,
) -> Result<Option<Identity>> {
    let found: Option<Row> = conn
        .exec_first(
            "SELECT k.id, k.scopes, k.expires_at, s.valid_until
             FROM api_key_secrets s INNER JOIN api_keys k ON k.id = s.api_key_id
             WHERE s.digest = ? AND k.revoked_at IS NULL
               AND COALESCE(k.expires_at > ?, 1) AND COALESCE(s.valid_until > ?, 1)",
            (secret.0, now.as_micros(), now.as_micros()),
        )
        .await?;
    let Some(row) = found else { return Ok(None) };
    let ends = [rows::moment(&row, "expires_at")?, rows::moment(&row, "valid_until")?];
    let end = ends.into_iter().flatten().min().unwrap_or(Identity::NEVER);
    Ok(Some(Identity::api_key(rows::get(&row, "id")?, scopes(&row)?, end)))
}

pub(super) async fn note_uses(conn: &mut Conn, uses: &[LastUse]) -> Result<()> {
    for LastUse { id, at } in uses {
        conn.exec_drop(
            "UPDATE api_keys SET last_used_at = ?
             WHERE id = ? AND COALESCE(last_used_at < ?, 1)",
            (at.as_micros(), id, at.as_micros()),
        )
        .await?;
    }
    Ok(())
}

/// What a change depends on, with its rows held.
struct Locked {
    /// The managing key, if it is one.
    manager: Option<ApiKey>,
    /// The key that is changed, if it is there.
    key: Option<ApiKey>,
}

/// Holds the rows of the managing key and of the key that it changes, in the order of their ids. A
/// managing key that is not there has never asked.
async fn lock(
    conn: &mut Conn,
    manager: Manager,
    id: Option<i64>,
) -> Result<std::result::Result<Locked, KeyRefusal>> {
    let manager_id = match manager {
        Manager::Command => None,
        Manager::ApiKey { id } => Some(id),
    };
    let mut ids: Vec<i64> = manager_id.into_iter().chain(id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut keys = Vec::new();
    for id in ids {
        keys.extend(find(conn, id, "FOR UPDATE").await?);
    }
    let of = |id: Option<i64>| keys.iter().find(|key| Some(key.id) == id).cloned();
    let locked = Locked { manager: of(manager_id), key: of(id) };
    if manager_id.is_some() && locked.manager.is_none() {
        return Ok(Err(KeyRefusal::ManagerEnded));
    }
    Ok(Ok(locked))
}

async fn count_live(conn: &mut Conn, now: Timestamp) -> Result<u32> {
    let count: Option<u32> = conn
        .exec_first(
            "SELECT COUNT(*) FROM api_keys
             WHERE revoked_at IS NULL AND COALESCE(expires_at > ?, 1)",
            (now.as_micros(),),
        )
        .await?;
    Ok(count.unwrap_or(0))
}

async fn insert_secret(
    conn: &mut Conn,
    id: i64,
    secret: TokenDigest,
    now: Timestamp,
) -> Result<()> {
    conn.exec_drop(
        "INSERT INTO api_key_secrets (digest, api_key_id, created_at) VALUES (?, ?, ?)",
        (secret.0, id, now.as_micros()),
    )
    .await
}

/// The secrets of a key, oldest first: two at most.
async fn secrets(conn: &mut Conn, id: i64) -> Result<Vec<TokenDigest>> {
    let found: Vec<Row> = conn
        .exec(
            "SELECT digest FROM api_key_secrets WHERE api_key_id = ?
             ORDER BY (valid_until IS NULL)",
            (id,),
        )
        .await?;
    found.iter().map(|row| rows::digest(row, "digest")).collect()
}

fn read(row: &Row) -> Result<ApiKey> {
    Ok(ApiKey {
        id: rows::get(row, "id")?,
        name: rows::get(row, "name")?,
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
fn scopes(row: &Row) -> Result<Scopes> {
    Ok(Scopes::known(&rows::get::<String>(row, "scopes")?))
}

fn deed(row: &Row, at: &str, by: &str) -> Result<Option<Deed>> {
    let Some(at) = rows::moment(row, at)? else { return Ok(None) };
    Ok(Some(Deed { at, by: rows::manager(row, by)? }))
}
