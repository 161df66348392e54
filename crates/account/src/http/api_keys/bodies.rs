//! The bodies of calls on API keys.

use std::time::Duration;

use serde::Serialize;
use service::{
    clock::Timestamp,
    contract::scope::{Scope, Scopes},
    http::{
        fields::{Fields, FromFields},
        problem::Problem,
    },
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::api_keys::{
    ApiKey, ApiKeyState, Deed, IssuedKey, Manager, NAME, NewApiKey, OVERLAP, OVERLAP_MAX,
    check_expiry, read_scopes,
};

/// A key that is wanted.
#[derive(Debug, ToSchema)]
#[schema(as = CreateApiKey)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::http) struct CreateApiKey {
    /// What the key is for. White space around it is removed.
    #[schema(min_length = 1, max_length = 100, example = "Checkout backend")]
    name: String,
    /// What it may be used for. At least one, each once, and none that the key that asks lacks.
    #[schema(value_type = BTreeSet<ScopeName>, min_items = 1,
        example = json!(["wallets:read", "money:fund"]))]
    scopes: Scopes,
    /// When the key ends, in the future. Without it, it does not end. A key that ends itself makes
    /// only keys that end no later.
    #[schema(value_type = Option<String>, format = DateTime,
        example = "2026-11-23T09:00:00.000000Z")]
    expires_at: Option<Timestamp>,
}

/// The name of a scope.
struct ScopeName;

impl PartialSchema for ScopeName {
    fn schema() -> RefOr<Schema> {
        let names = Scope::ALL.iter().map(|scope| scope.as_str());
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
    }
}

impl ToSchema for ScopeName {
    fn name() -> std::borrow::Cow<'static, str> {
        "Scope".into()
    }
}

/// How a secret is replaced.
#[derive(Debug, ToSchema)]
#[schema(as = RotateApiKey)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::http) struct RotateApiKey {
    /// How long the secret of before stays valid, at most 30 days. Without it, a day. With 0 it
    /// ends at once.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 2_592_000, example = 3600)]
    overlap_seconds: Duration,
}

/// An API key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiKeyBody<'a> {
    /// Names the key in paths, and stays the same when it is rotated.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    id: i64,
    /// What the key is for.
    #[schema(min_length = 1, max_length = 100, example = "Checkout backend")]
    name: &'a str,
    /// What it may be used for.
    #[schema(value_type = Vec<String>, max_items = 100,
        example = json!(["wallets:read", "money:fund"]))]
    scopes: Vec<&'static str>,
    /// Whether it can be used.
    state: StateJson,
    /// When it was created.
    #[schema(value_type = String, format = DateTime, example = "2025-11-23T09:00:00.000000Z")]
    created_at: Timestamp,
    /// Who created it.
    created_by: ManagerBody,
    /// When it ends by itself; null if it does not.
    #[schema(value_type = Option<String>, format = DateTime, required = true,
        example = "2026-11-23T09:00:00.000000Z")]
    expires_at: Option<Timestamp>,
    /// When its secret was last replaced; null if it was not.
    #[schema(value_type = Option<String>, format = DateTime, required = true,
        example = "2025-11-24T09:00:00.000000Z")]
    rotated_at: Option<Timestamp>,
    /// Who replaced its secret last; null if it was not replaced.
    #[schema(required = true)]
    rotated_by: Option<ManagerBody>,
    /// When it was revoked; null if it was not.
    #[schema(value_type = Option<String>, format = DateTime, required = true,
        example = "2025-11-25T09:00:00.000000Z")]
    revoked_at: Option<Timestamp>,
    /// Who revoked it; null if it was not revoked.
    #[schema(required = true)]
    revoked_by: Option<ManagerBody>,
    /// When it was last used, to about a minute; null if it was not.
    #[schema(value_type = Option<String>, format = DateTime, required = true,
        example = "2025-11-24T10:00:00.000000Z")]
    last_used_at: Option<Timestamp>,
}

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = ApiKeyState)]
#[serde(rename_all = "lowercase")]
enum StateJson {
    /// It can.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

/// Who did something to a key.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = ApiKeyManager)]
#[serde(rename_all = "camelCase")]
struct ManagerBody {
    /// What it was.
    kind: ManagerKind,
    /// The key; only if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    api_key_id: Option<i64>,
}

/// What manages keys.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = ApiKeyManagerKind)]
#[serde(rename_all = "snake_case")]
enum ManagerKind {
    /// An operator's command.
    Command,
    /// A key with the scope `keys:write`.
    ApiKey,
}

/// The keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKeys)]
pub(super) struct ApiKeysBody<'a> {
    /// At most 1,000.
    #[schema(max_items = 1_000)]
    items: Vec<ApiKeyBody<'a>>,
}

/// A key with its new secret, which is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedApiKey)]
#[serde(rename_all = "camelCase")]
pub(super) struct IssuedKeyBody<'a> {
    /// The secret, for every call: `Authorization: Bearer <key>`.
    #[schema(
        min_length = 47,
        max_length = 47,
        pattern = "^mpk_[A-Za-z0-9_-]{43}$",
        example = "mpk_Zk4nTq8RzYw0aVbXcJ5mLs2PdGh7Ue1oKi3fNt6Hy9E"
    )]
    key: &'a str,
    /// When the secret that was replaced ends; null if there was none or it has ended.
    #[schema(value_type = Option<String>, format = DateTime, required = true,
        example = "2025-11-24T09:00:00.000000Z")]
    previous_valid_until: Option<Timestamp>,
    /// The key.
    api_key: ApiKeyBody<'a>,
}

impl FromFields for CreateApiKey {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.text("name", &NAME);
        let scopes = fields.texts("scopes").and_then(|names| {
            read_scopes(names.iter().map(String::as_str))
                .map_err(|mistakes| {
                    for mistake in mistakes {
                        fields.fail("scopes", mistake.code, mistake.message);
                    }
                })
                .ok()
        });
        let expires_at = fields.optional_time("expiresAt");
        Some(Self { name: name?, scopes: scopes?, expires_at: expires_at? })
    }
}

impl CreateApiKey {
    /// What only the time can tell.
    pub(super) fn checked(self, now: Timestamp) -> Result<NewApiKey, Problem> {
        let Self { name, scopes, expires_at } = self;
        if let Some(end) = expires_at {
            check_expiry(end, now)
                .map_err(|mistake| Problem::field("expiresAt", mistake.code, mistake.message))?;
        }
        Ok(NewApiKey { name, scopes, expires_at })
    }
}

impl FromFields for RotateApiKey {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let range = 0..=i64::try_from(OVERLAP_MAX.as_secs()).expect("30 days are few seconds");
        let seconds = fields.optional_integer("overlapSeconds", range)?;
        let overlap = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Some(Self { overlap_seconds: overlap.map_or(OVERLAP, Duration::from_secs) })
    }
}

impl RotateApiKey {
    pub(super) const fn overlap(&self) -> Duration {
        self.overlap_seconds
    }
}

impl<'a> ApiKeyBody<'a> {
    /// The key as it is at this time.
    pub(super) fn new(key: &'a ApiKey, now: Timestamp) -> Self {
        let at = |deed: Option<Deed>| deed.map(|deed| deed.at);
        let by = |deed: Option<Deed>| deed.map(|deed| deed.by.into());
        Self {
            id: key.id,
            name: &key.name,
            scopes: key.scopes.iter().map(Scope::as_str).collect(),
            state: match key.state(now) {
                ApiKeyState::Active => StateJson::Active,
                ApiKeyState::Expired => StateJson::Expired,
                ApiKeyState::Revoked => StateJson::Revoked,
            },
            created_at: key.created.at,
            created_by: key.created.by.into(),
            expires_at: key.expires_at,
            rotated_at: at(key.rotated),
            rotated_by: by(key.rotated),
            revoked_at: at(key.revoked),
            revoked_by: by(key.revoked),
            last_used_at: key.last_used_at,
        }
    }
}

impl<'a> ApiKeysBody<'a> {
    pub(super) fn new(keys: &'a [ApiKey], now: Timestamp) -> Self {
        Self { items: keys.iter().map(|key| ApiKeyBody::new(key, now)).collect() }
    }
}

impl<'a> IssuedKeyBody<'a> {
    pub(super) fn new(issued: &'a IssuedKey, now: Timestamp) -> Self {
        Self {
            key: issued.secret.as_str(),
            previous_valid_until: issued.previous_valid_until,
            api_key: ApiKeyBody::new(&issued.key, now),
        }
    }
}

impl From<Manager> for ManagerBody {
    fn from(manager: Manager) -> Self {
        match manager {
            Manager::Command => Self { kind: ManagerKind::Command, api_key_id: None },
            Manager::ApiKey { id } => Self { kind: ManagerKind::ApiKey, api_key_id: Some(id) },
        }
    }
}
