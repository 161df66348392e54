//! Whose a database is. Each database records its service in the table `installation`; one from
//! before that table is known by its tables. A database of another service or of another program is
//! refused before anything in it is changed.

/// The newest schema is the number of migrations. Each runs once, in order, and is never edited.
pub type Migrations = &'static [&'static str];

/// The schema of a service's database.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// The service, as its database records it.
    pub service: &'static str,
    /// The tables of version 1, which recorded no service.
    pub first_tables: &'static [&'static str],
    /// What makes the schema, and brings an older one up to date.
    pub migrations: Migrations,
}

/// The tables of the account service's version 1.
pub const ACCOUNT_TABLES: &[&str] = &["accounts", "auth_tokens", "account_changes", "id_blocks"];

/// The tables of the money service's version 1.
pub const MONEY_TABLES: &[&str] = &[
    "wallets",
    "transactions",
    "transaction_marks",
    "transfers",
    "idempotency_keys",
    "account_standings",
    "feed_positions",
    "id_blocks",
];

/// Databases that recorded no service.
const UNRECORDED: [(&str, &[&str]); 2] = [("account", ACCOUNT_TABLES), ("money", MONEY_TABLES)];

/// Why a database is not the one that a service needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongOwner {
    /// It belongs to another service.
    #[error("is the database of the {found} service, and the {needed} service's is needed")]
    OtherService {
        /// Whose it is.
        found: String,
        /// Whose it would have to be.
        needed: &'static str,
    },
    /// It belongs to another program.
    #[error(
        "is the database of another program, as it has the table `{table}`: the {needed} service \
         needs its own, or an empty one"
    )]
    OtherProgram {
        /// A table of it.
        table: String,
        /// The service that would use it.
        needed: &'static str,
    },
}

/// What a database tells about its owner.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The service that it records, if it has the table.
    pub(super) recorded: Option<String>,
    /// Whether migrations of ours have run or begun.
    pub(super) is_migrated: bool,
    /// The names of its tables, without those that hold the state of migrations.
    pub(super) tables: Vec<String>,
}

impl Schema {
    /// Accepts a database of this service, and one in which there is nothing.
    pub(super) fn check(&self, found: &Found) -> Result<(), WrongOwner> {
        let needed = self.service;
        let other_service =
            |found: &str| WrongOwner::OtherService { found: found.to_owned(), needed };
        if let Some(service) = &found.recorded {
            let is_ours = service == needed;
            return if is_ours { Ok(()) } else { Err(other_service(service)) };
        }
        let has_all = |tables: &[&str]| {
            found.is_migrated
                && tables.iter().all(|table| found.tables.iter().any(|found| found == table))
        };
        let mut others = UNRECORDED.iter().filter(|(service, _)| *service != needed);
        if let Some((service, _)) = others.find(|(_, tables)| has_all(tables)) {
            return Err(other_service(service));
        }
        if has_all(self.first_tables) {
            return Ok(());
        }
        // The rest of an unfinished first migration is not another program's.
        let is_ours =
            |table: &String| found.is_migrated && self.first_tables.contains(&table.as_str());
        match found.tables.iter().find(|table| !is_ours(table)) {
            None => Ok(()),
            Some(table) => Err(WrongOwner::OtherProgram { table: table.clone(), needed }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONEY: Schema = Schema { service: "money", first_tables: MONEY_TABLES, migrations: &[] };

    fn check(recorded: Option<&str>, is_migrated: bool, tables: &[&str]) -> Result<(), WrongOwner> {
        let tables = tables.iter().map(|&table| table.to_owned()).collect();
        MONEY.check(&Found { recorded: recorded.map(str::to_owned), is_migrated, tables })
    }

    #[test]
    fn a_database_is_its_service_s_own_or_empty() {
        let ours = [&["more"], MONEY_TABLES].concat();
        assert_eq!(check(None, false, &[]), Ok(()));
        assert_eq!(check(None, true, &[]), Ok(()));
        assert_eq!(check(None, true, MONEY_TABLES), Ok(()));
        assert_eq!(check(None, true, &MONEY_TABLES[..2]), Ok(()), "an unfinished migration");
        assert_eq!(check(None, true, &ours), Ok(()), "with a table of an operator");
        assert_eq!(check(Some("money"), true, &ours), Ok(()));
    }

    #[test]
    fn another_service_s_and_another_program_s_are_refused_by_name() {
        let account = WrongOwner::OtherService { found: "account".to_owned(), needed: "money" };
        let program =
            |table: &str| WrongOwner::OtherProgram { table: table.to_owned(), needed: "money" };
        let both = [MONEY_TABLES, ACCOUNT_TABLES].concat();
        assert_eq!(check(Some("account"), true, ACCOUNT_TABLES), Err(account.clone()));
        assert_eq!(check(None, true, ACCOUNT_TABLES), Err(account.clone()));
        assert_eq!(check(None, true, &both), Err(account));
        assert_eq!(check(None, true, &["wallets", "accounts"]), Err(program("accounts")));
        assert_eq!(check(None, true, &["posts"]), Err(program("posts")));
        assert_eq!(check(None, false, &["wallets"]), Err(program("wallets")), "never migrated");
    }
}
