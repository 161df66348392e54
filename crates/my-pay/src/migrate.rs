//! `my-pay migrate`: brings schemas up to date, as a user who may, before services start that may
//! not.

use crate::{
    config::Config,
    database,
    flags::{MigrateFlags, Owner},
};

/// Which schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Which {
    /// The account service's.
    Account,
    /// The money service's.
    Money,
    /// Both.
    All,
}

/// Brings them up to date, and returns the lines to print.
pub async fn migrate(which: Which, flags: &MigrateFlags) -> anyhow::Result<String> {
    let owners: &[Owner] = match which {
        Which::Account => &[Owner::Account],
        Which::Money => &[Owner::Money],
        Which::All => &[Owner::Account, Owner::Money],
    };
    anyhow::ensure!(
        owners.len() == 1 || flags.database_url.is_none(),
        "--database-url names one database: say `migrate account` or `migrate money`"
    );
    let mut text = String::new();
    for owner in owners {
        let config = Config::load(&(*owner, flags))?;
        let settings = match owner {
            Owner::Account => config.account.database(),
            Owner::Money => config.money.database(),
        };
        database::migrate(*owner, &settings).await?;
        text += &format!("the {} database is up to date\n", settings.service);
    }
    Ok(text)
}
