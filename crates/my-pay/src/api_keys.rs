//! `my-pay admin api-key`: keys for companies' backends, managed beside running services. A new
//! secret is all that standard output gets, in one line, so that a script can capture it;
//! everything else is said on standard error.

use std::{fmt::Write as _, sync::Arc};

use account::api_keys::{
    self, ApiKey, IssuedKey, Manager, NewApiKey, OVERLAP, read_expiry, read_name, read_overlap,
    read_scopes,
};
use clap::Subcommand;
use service::{
    clock::{Clock, Timestamp},
    contract::scope::Scope,
    waiting::waiting_for,
};

use crate::{
    admin::account_store,
    config::Config,
    flags::{DatabaseFlags, Owner},
};

/// The commands.
#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Creates a key and prints it, this once
    Create {
        /// What the key is for, 1 to 100 characters
        #[arg(long)]
        name: String,
        /// What it may be used for, separated by commas: accounts:read, accounts:write,
        /// wallets:read, wallets:write, money:send, money:fund, books:read, operate, keys:write
        #[arg(long)]
        scopes: String,
        /// When it ends: a date, whose first moment in UTC counts, or a time of RFC 3339. Without
        /// it the key does not end
        #[arg(long, value_name = "DATE")]
        expires: Option<String>,
        /// The account service's database.
        #[command(flatten)]
        flags: DatabaseFlags,
    },
    /// Lists the keys: those that can be used first, each part newest first, 1000 in all
    List {
        /// The account service's database.
        #[command(flatten)]
        flags: DatabaseFlags,
    },
    /// Replaces the secret of a key and prints the new one, this once
    Rotate {
        /// The key's id
        id: i64,
        /// How long the secret of before stays valid, at most 2592000 (30 days)
        #[arg(long, value_name = "N", default_value_t = OVERLAP.as_secs())]
        overlap_seconds: u64,
        /// The account service's database.
        #[command(flatten)]
        flags: DatabaseFlags,
    },
    /// Revokes a key for good, at once and with all its secrets
    Revoke {
        /// The key's id
        id: i64,
        /// The account service's database.
        #[command(flatten)]
        flags: DatabaseFlags,
    },
}

/// What a command has to say. Without `Debug`, because it may be a secret.
pub struct Said {
    /// For standard output.
    pub output: String,
    /// For standard error.
    pub remark: Option<String>,
}

impl ApiKeyCommand {
    /// Does it, beside the services.
    pub async fn run(self, clock: &Clock) -> anyhow::Result<Said> {
        match self {
            Self::Create { name, scopes, expires, flags } => {
                let new = read_new(&name, &scopes, expires.as_deref(), clock.now())?;
                let store = store(&flags).await?;
                let issued = api_keys::create_by_command(store.as_ref(), new, clock).await?;
                Ok(issued_by("is created", &issued))
            }
            Self::List { flags } => {
                let store = store(&flags).await?;
                let now = clock.now();
                let keys = store.api_keys(now).await?;
                Ok(Said { output: table(&keys, now), remark: None })
            }
            Self::Rotate { id, overlap_seconds, flags } => {
                let overlap = read_overlap(overlap_seconds);
                let overlap =
                    overlap.map_err(|mistake| anyhow::anyhow!("--overlap-seconds {mistake}"))?;
                let store = store(&flags).await?;
                let issued =
                    api_keys::rotate_by_command(store.as_ref(), id, overlap, clock).await?;
                Ok(issued_by("has another secret", &issued))
            }
            Self::Revoke { id, flags } => {
                let store = store(&flags).await?;
                api_keys::revoke_by_command(store.as_ref(), id, clock).await?;
                Ok(Said { output: format!("API key {id} is revoked\n"), remark: None })
            }
        }
    }
}

async fn store(flags: &DatabaseFlags) -> anyhow::Result<Arc<dyn account::Store>> {
    let config = Config::load(&(Owner::Account, flags))?;
    let _waiting = waiting_for("the account database");
    account_store(flags, &config).await
}

/// All mistakes at once.
fn read_new(
    name: &str,
    scopes: &str,
    expires: Option<&str>,
    now: Timestamp,
) -> anyhow::Result<NewApiKey> {
    let mut mistakes = Vec::new();
    let name = read_name(name).map_err(|mistake| mistakes.push(format!("--name {mistake}")));
    let names = scopes.split(',').map(str::trim).filter(|_| !scopes.trim().is_empty());
    let scopes = read_scopes(names).map_err(|found| {
        mistakes.extend(found.iter().map(|mistake| format!("--scopes {mistake}")));
    });
    let expires_at = expires
        .map(|text| read_expiry(text, now))
        .transpose()
        .map_err(|mistake| mistakes.push(format!("--expires {mistake}")));
    match (name, scopes, expires_at) {
        (Ok(name), Ok(scopes), Ok(expires_at)) => Ok(NewApiKey { name, scopes, expires_at }),
        _ => anyhow::bail!("{}", mistakes.join("; ")),
    }
}

/// The secret alone is printed.
fn issued_by(done: &str, issued: &IssuedKey) -> Said {
    let IssuedKey { secret, key, previous_valid_until } = issued;
    let mut remark = format!(
        "API key {} ({}) {done}. The secret is shown this once; store it now.",
        key.id, key.scopes
    );
    if let Some(end) = previous_valid_until {
        write!(remark, " The secret of before is valid until {end}.")
            .expect("a string takes all text");
    }
    Said { output: format!("{}\n", secret.as_str()), remark: Some(remark) }
}

const HEADINGS: [&str; 8] =
    ["ID", "STATE", "CREATED", "CREATED BY", "EXPIRES", "LAST USED", "SCOPES", "NAME"];

/// Columns with two spaces between them. Names, which may have any width, are last.
fn table(keys: &[ApiKey], now: Timestamp) -> String {
    let rows: Vec<_> = keys.iter().map(|key| row(key, now)).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].len());
        cells.chain([HEADINGS[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..HEADINGS.len()).map(width).collect();
    let mut text = String::new();
    let headings = HEADINGS.map(str::to_owned);
    for row in std::iter::once(&headings).chain(&rows) {
        let (name, others) = row.split_last().expect("there are eight columns");
        for (cell, width) in others.iter().zip(&widths) {
            write!(text, "{cell:width$}  ").expect("a string takes all text");
        }
        text.push_str(name);
        text.push('\n');
    }
    text
}

fn row(key: &ApiKey, now: Timestamp) -> [String; 8] {
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), seconds);
    [
        key.id.to_string(),
        key.state(now).as_str().to_owned(),
        seconds(key.created.at),
        match key.created.by {
            Manager::Command => "command".to_owned(),
            Manager::ApiKey { id } => format!("key {id}"),
        },
        time(key.expires_at),
        time(key.last_used_at),
        key.scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(","),
        key.name.clone(),
    ]
}

/// A time to the second.
fn seconds(time: Timestamp) -> String {
    let text = time.to_string();
    text.split_once('.').map_or(text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use account::api_keys::Deed;
    use service::contract::scope::Scopes;

    use super::*;

    /// 2027-01-15T08:00:00Z
    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    #[test]
    fn all_mistakes_are_told_at_once() {
        let refusal =
            |name, scopes, expires| read_new(name, scopes, expires, NOW).unwrap_err().to_string();
        let all = refusal(" ", "money:mint,operate, operate", Some("2027-01-15"));
        let found: Vec<_> = all.split("; --").collect();
        assert_eq!(found[0], "--name must have at least 1 character");
        assert!(found[1].starts_with("scopes has `money:mint`; the scopes are accounts:read, "));
        assert_eq!(found[2], "scopes must name `operate` once");
        assert_eq!(found[3..], ["expires must be in the future"]);
        let few = refusal("a", "", Some("soon"));
        let (scopes, expires) = few.split_once("; ").unwrap();
        assert_eq!(scopes, "--scopes must name at least one scope");
        assert!(expires.starts_with("--expires must be a date or time of RFC 3339, such as "));
        let new = read_new("Backend", "money:fund, wallets:read", Some("2027-02-01"), NOW).unwrap();
        assert_eq!(new.scopes.to_string(), "wallets:read money:fund");
        assert_eq!(new.expires_at.unwrap().to_string(), "2027-02-01T00:00:00.000000Z");
    }

    #[test]
    fn the_table_has_a_row_a_key() {
        let key = |id, name: &str| ApiKey {
            id,
            name: name.to_owned(),
            scopes: Scopes::of(&[Scope::MoneyFund]),
            created: Deed { at: NOW, by: Manager::Command },
            expires_at: None,
            rotated: None,
            revoked: None,
            last_used_at: None,
        };
        let mut used = key(12, "Checkout backend");
        used.last_used_at = Some(NOW.plus(Duration::from_millis(1_500)));
        used.created.by = Manager::ApiKey { id: 3 };
        let mut ended = key(3, "결제");
        ended.scopes = Scopes::of(&[Scope::WalletsRead, Scope::MoneyFund]);
        ended.expires_at = Some(NOW.plus(Duration::from_secs(1)));
        let table_of = |keys: &[ApiKey]| table(keys, NOW.plus(Duration::from_secs(1)));
        let both = table_of(&[used, ended]);
        let narrow: Vec<_> =
            both.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty())).collect();
        let narrow: Vec<_> =
            narrow.into_iter().map(|cells| cells.map(str::trim).collect::<Vec<_>>()).collect();
        assert_eq!(narrow[0], HEADINGS);
        let (at, end) = ("2027-01-15T08:00:00Z", "2027-01-15T08:00:01Z");
        let fund = "money:fund";
        assert_eq!(narrow[1], ["12", "active", at, "key 3", "-", end, fund, "Checkout backend"]);
        let scopes = "wallets:read,money:fund";
        assert_eq!(narrow[2], ["3", "expired", at, "command", end, "-", scopes, "결제"]);
        let starts: Vec<_> = both.lines().map(|line| line.find("20").or(line.find("CR"))).collect();
        assert_eq!(starts, [Some(13); 3], "columns are aligned:\n{both}");
        assert_eq!(table(&[], NOW).lines().count(), 1);
    }
}
