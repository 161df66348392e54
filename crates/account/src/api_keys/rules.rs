//! The rules of keys, without a database: what may be asked for, and what a key may give to others.

use std::{borrow::Cow, fmt, time::Duration};

use service::{
    clock::Timestamp,
    contract::{
        identity::Identity,
        scope::{Scope, Scopes},
    },
    http::fields::{Fault, TextRule, read_time},
};

use super::{ApiKey, ApiKeyState, KeyRefusal};

/// Longest name, in characters; the shortest has one.
pub const NAME_LENGTH_MAX: usize = 100;

/// How long a replaced secret stays valid unless something else is asked for.
pub const OVERLAP: Duration = Duration::from_hours(24);

/// How long it may stay valid at most.
pub const OVERLAP_MAX: Duration = Duration::from_hours(30 * 24);

/// Names are shown to people.
pub(crate) const NAME: TextRule = TextRule::new(1, NAME_LENGTH_MAX);

/// Something wrong with what was asked for: a code, and words that follow the name of the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub message: Cow<'static, str>,
}

impl Mistake {
    fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<Fault> for Mistake {
    fn from((code, message): Fault) -> Self {
        Self { code, message }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Reads a name: 1 to 100 characters, white space around them removed.
pub fn read_name(text: &str) -> Result<String, Mistake> {
    NAME.check(text.to_owned()).map_err(Mistake::from)
}

/// Reads names of scopes. All mistakes are reported: an unknown name, a repeated one, and none.
pub fn read_scopes<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Scopes, Vec<Mistake>> {
    let mut scopes = Scopes::NONE;
    let mut mistakes = Vec::new();
    for name in names {
        match Scope::parse(name) {
            Some(scope) if scopes.contains(scope) => {
                let message = format!("must name `{scope}` once");
                mistakes.push(Mistake::new("repeated_scope", message));
            }
            Some(scope) => scopes = scopes.with(scope),
            None => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                let known = Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>();
                let message = format!("has `{name}`; the scopes are {}", known.join(", "));
                mistakes.push(Mistake::new("unknown_scope", message));
            }
        }
    }
    if scopes.is_empty() && mistakes.is_empty() {
        mistakes.push(Mistake::new("too_few", "must name at least one scope"));
    }
    if mistakes.is_empty() { Ok(scopes) } else { Err(mistakes) }
}

/// Reads the end of a key: a date-time of RFC 3339, or a date, which stands for its first moment in
/// UTC. It must be in the future.
pub fn read_expiry(text: &str, now: Timestamp) -> Result<Timestamp, Mistake> {
    let is_date = text.len() == "2026-01-31".len();
    let read = if is_date { read_time(&format!("{text}T00:00:00Z")) } else { read_time(text) };
    let Ok(end) = read else {
        let message = "must be a date or time of RFC 3339, such as 2026-01-31 or \
                       2026-01-31T09:00:00Z";
        return Err(Mistake::new("invalid_time", message));
    };
    check_expiry(end, now).map(|()| end)
}

/// A key that has ended at its beginning is a mistake.
pub(crate) fn check_expiry(end: Timestamp, now: Timestamp) -> Result<(), Mistake> {
    if end > now { Ok(()) } else { Err(Mistake::new("not_in_future", "must be in the future")) }
}

/// How long a replaced secret stays valid, from seconds: 0 to 30 days.
pub fn read_overlap(seconds: u64) -> Result<Duration, Mistake> {
    let overlap = Duration::from_secs(seconds);
    if overlap > OVERLAP_MAX {
        let message = format!("must be from 0 to {}", OVERLAP_MAX.as_secs());
        return Err(Mistake::new("out_of_range", message));
    }
    Ok(overlap)
}

/// Whether the managing key, as the database has it, may hold the secret of a key with these scopes
/// and this end. It gains nothing by it: no scope that it lacks, and no day after its own end. An
/// operator's command, which has no key, may everything.
pub(crate) fn check_power(
    manager: Option<&ApiKey>,
    scopes: Scopes,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), KeyRefusal> {
    let Some(manager) = manager else { return Ok(()) };
    if manager.state(now) != ApiKeyState::Active {
        return Err(KeyRefusal::ManagerEnded);
    }
    let missing = scopes.without(manager.scopes);
    if !missing.is_empty() {
        return Err(KeyRefusal::BeyondScopes(missing));
    }
    match manager.expires_at {
        Some(end) if expires_at.is_none_or(|expires_at| expires_at > end) => {
            Err(KeyRefusal::Outlives(end))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether a secret that is valid `until` then may give a key this end. A secret that a rotation
/// has replaced must not outlive its time by a key or a secret that it makes.
pub(crate) fn check_until(
    until: Timestamp,
    expires_at: Option<Timestamp>,
) -> Result<(), KeyRefusal> {
    let outlives = expires_at.is_none_or(|expires_at| expires_at > until);
    if until != Identity::NEVER && outlives { Err(KeyRefusal::Outlives(until)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_keys::{Deed, Manager};

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn later(hours: u64) -> Timestamp {
        NOW.plus(Duration::from_hours(hours))
    }

    #[test]
    fn a_secret_makes_nothing_that_outlives_it() {
        for (until, end, is_allowed) in [
            (Identity::NEVER, None, true),
            (Identity::NEVER, Some(later(9)), true),
            (later(5), Some(later(5)), true),
            (later(5), Some(later(6)), false),
            (later(5), None, false),
        ] {
            let checked = check_until(until, end);
            let expected = if is_allowed { Ok(()) } else { Err(KeyRefusal::Outlives(until)) };
            assert_eq!(checked, expected, "{until:?} {end:?}");
        }
    }

    fn key(scopes: &[Scope], expires_at: Option<Timestamp>) -> ApiKey {
        ApiKey {
            id: 1,
            name: "a".to_owned(),
            scopes: Scopes::of(scopes),
            created: Deed { at: NOW, by: Manager::Command },
            expires_at,
            rotated: None,
            revoked: None,
            last_used_at: None,
        }
    }

    #[test]
    fn a_key_gives_nothing_that_it_lacks() {
        use Scope::{KeysWrite, MoneyFund, WalletsRead};
        let manager = key(&[KeysWrite, WalletsRead], Some(later(10)));
        let check =
            |scopes: &[Scope], end| check_power(Some(&manager), Scopes::of(scopes), end, NOW);
        let outlives = Err(KeyRefusal::Outlives(later(10)));
        let beyond = Err(KeyRefusal::BeyondScopes(Scopes::of(&[MoneyFund])));
        assert_eq!(check(&[WalletsRead], Some(later(10))), Ok(()));
        assert_eq!(check(&[WalletsRead, KeysWrite], Some(later(1))), Ok(()));
        assert_eq!(check(&[WalletsRead, MoneyFund], Some(later(1))), beyond);
        assert_eq!(check(&[MoneyFund], None), beyond, "scopes come first");
        assert_eq!(check(&[WalletsRead], Some(later(11))), outlives);
        assert_eq!(check(&[WalletsRead], None), outlives);
        let ended = check_power(Some(&manager), Scopes::NONE, Some(later(10)), later(10));
        assert_eq!(ended, Err(KeyRefusal::ManagerEnded));
        let mut revoked = key(&[KeysWrite], None);
        revoked.revoked = Some(Deed { at: NOW, by: Manager::Command });
        let ended = check_power(Some(&revoked), Scopes::NONE, None, NOW);
        assert_eq!(ended, Err(KeyRefusal::ManagerEnded));
        let endless = key(&[KeysWrite, MoneyFund], None);
        assert_eq!(check_power(Some(&endless), Scopes::of(&[MoneyFund]), None, NOW), Ok(()));
        assert_eq!(check_power(None, Scopes::ALL, None, NOW), Ok(()), "an operator's command");
    }

    #[test]
    fn scopes_are_read_with_all_their_mistakes() {
        let read = read_scopes(["money:fund", "wallets:read"]);
        assert_eq!(read, Ok(Scopes::of(&[Scope::WalletsRead, Scope::MoneyFund])));
        let codes = |names: &[&str]| {
            let mistakes = read_scopes(names.iter().copied()).unwrap_err();
            mistakes.iter().map(|mistake| mistake.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(&[]), ["too_few"]);
        let all = codes(&["operate", "mint", "operate", "Operate", ""]);
        assert_eq!(all, ["unknown_scope", "repeated_scope", "unknown_scope", "unknown_scope"]);
        let mistakes = read_scopes(["a\u{1b}[31m"]).unwrap_err();
        let expected = "has `a[31m`; the scopes are accounts:read, accounts:write, wallets:read, \
                        wallets:write, money:send, money:fund, books:read, operate, keys:write";
        assert_eq!(mistakes[0].message, expected);
    }

    #[test]
    fn an_end_is_a_date_or_a_time_in_the_future() {
        // 2027-01-15T08:00:00Z
        let read = |text| read_expiry(text, NOW).map_err(|mistake| mistake.code);
        assert_eq!(read("2027-01-16"), Ok(later(16)));
        assert_eq!(read("2027-01-15T18:00:00+09:00"), Ok(later(1)));
        assert_eq!(read("2027-01-15"), Err("not_in_future"));
        assert_eq!(read("2027-01-15T08:00:00Z"), Err("not_in_future"));
        for bad in ["", "tomorrow", "2027-13-01", "2027-1-16", "2027-01-16T00:00"] {
            assert_eq!(read(bad), Err("invalid_time"), "{bad}");
        }
    }

    #[test]
    fn an_overlap_is_bounded() {
        assert_eq!(read_overlap(0), Ok(Duration::ZERO));
        assert_eq!(read_overlap(30 * 24 * 3600), Ok(OVERLAP_MAX));
        assert_eq!(read_overlap(30 * 24 * 3600 + 1).unwrap_err().code, "out_of_range");
    }
}
