//! `my-pay up --demo`: two people with funded wallets, a company's backend with an API key, and
//! curl lines that move their money. It runs on loopback addresses only, and its data directory
//! stays the demonstration's.

mod backend;
mod lines;
pub(crate) mod mark;
mod people;
mod secrets;

use std::path::Path;

use service::clock::Clock;

pub use self::mark::check_address;
use self::{
    lines::Scene,
    people::{ANN, BOB},
    secrets::Secrets,
};
use crate::up::Up;

/// Makes the two if they are not there yet, logs them in, and returns the lines to print.
pub async fn prepare(up: &Up, data_dir: &Path, clock: &Clock) -> anyhow::Result<String> {
    let mut secrets = if let Some(kept) = Secrets::read(data_dir)? {
        kept
    } else {
        let drawn = Secrets::draw()?;
        drawn.keep(data_dir)?;
        drawn
    };
    let ann = people::meet(up, &ANN, &secrets.ann_password, secrets.are_set).await?;
    let bob = people::meet(up, &BOB, &secrets.bob_password, secrets.are_set).await?;
    if !secrets.are_set {
        secrets.are_set = true;
        secrets.keep(data_dir)?;
    }
    let accounts = up.account();
    if secrets.api_key.is_none() {
        secrets.api_key = Some(backend::create(accounts).await?);
        secrets.keep(data_dir)?;
    }
    let is_key_accepted = match &secrets.api_key {
        Some(key) => backend::is_accepted(accounts, key).await?,
        None => false,
    };
    let scene = Scene {
        url: format!("http://{}", up.address()),
        data_dir,
        secrets: &secrets,
        ann,
        bob,
        is_key_accepted,
        key: format!("demo-{}", clock.now().as_millis()),
    };
    Ok(scene.lines())
}
