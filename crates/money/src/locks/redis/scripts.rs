//! The scripts as functions. Each is one round trip, and one step for Redis.

use std::{collections::HashSet, time::Duration};

use ledger::WalletId;
use redis::{Cmd, ToSingleRedisArg};
use service::redis::{Redis, RedisUnavailable, Script};

use super::LockTimes;

/// Counts the holds that were ever taken.
const FENCE: &str = "mypay:lock:fence";

pub(super) struct Scripts {
    acquire: Script,
    release: Script,
    renew: Script,
    redis: Redis,
    instance: String,
    times: LockTimes,
}

/// What an acquisition got.
pub(super) struct Acquired {
    /// Higher than that of every hold before it, unless Redis lost its data.
    pub(super) fence: u64,
    pub(super) elsewhere: HashSet<WalletId>,
}

impl Scripts {
    pub(super) fn new(redis: Redis, instance: String, times: LockTimes) -> Self {
        Self {
            acquire: Script::new(include_str!("acquire.lua")),
            release: Script::new(include_str!("release.lua")),
            renew: Script::new(include_str!("renew.lua")),
            redis,
            instance,
            times,
        }
    }

    pub(super) fn redis(&self) -> &Redis {
        &self.redis
    }

    pub(super) async fn acquire(
        &self,
        hold: u64,
        wallets: &[WalletId],
    ) -> Result<Acquired, RedisUnavailable> {
        let mut command = self.acquire.command(2 + wallets.len());
        command.arg(FENCE).arg(self.withdrawal(hold));
        add_wallets(&mut command, wallets);
        command.arg(self.name(hold)).arg(&self.instance).arg(millis(self.times.expiry));
        let answer: Vec<u64> = self.redis.run(&self.acquire, &command).await?;
        let (fence, elsewhere) = answer.split_first().map_or((0, &[][..]), |(f, e)| (*f, e));
        let position = |place: &u64| usize::try_from(*place).ok();
        let elsewhere = elsewhere
            .iter()
            .filter_map(|place| position(place).and_then(|place| wallets.get(place)).copied())
            .collect();
        Ok(Acquired { fence, elsewhere })
    }

    /// Releases what the hold still owns, and says how many wallets that were.
    pub(super) async fn release(
        &self,
        hold: u64,
        wallets: &[WalletId],
    ) -> Result<usize, RedisUnavailable> {
        self.end(hold, wallets, Duration::ZERO).await
    }

    /// Releases a hold that may have been taken, or may still be: from now on it cannot be.
    pub(super) async fn withdraw(
        &self,
        hold: u64,
        wallets: &[WalletId],
    ) -> Result<usize, RedisUnavailable> {
        self.end(hold, wallets, self.times.withdrawal).await
    }

    /// Renews what the hold still owns, and says how many wallets that are.
    pub(super) async fn renew(
        &self,
        hold: u64,
        wallets: &[WalletId],
    ) -> Result<usize, RedisUnavailable> {
        let mut command = self.renew.command(wallets.len());
        add_wallets(&mut command, wallets);
        command.arg(self.name(hold)).arg(millis(self.times.expiry));
        self.redis.run(&self.renew, &command).await
    }

    async fn end(
        &self,
        hold: u64,
        wallets: &[WalletId],
        withdrawal: Duration,
    ) -> Result<usize, RedisUnavailable> {
        let mut command = self.release.command(1 + wallets.len());
        command.arg(self.withdrawal(hold));
        add_wallets(&mut command, wallets);
        command.arg(self.name(hold)).arg(millis(self.times.turn)).arg(millis(withdrawal));
        self.redis.run(&self.release, &command).await
    }

    fn name(&self, hold: u64) -> String {
        format!("{}.{hold}", self.instance)
    }

    fn withdrawal(&self, hold: u64) -> String {
        format!("mypay:lock:withdrawn:{}.{hold}", self.instance)
    }
}

fn add_wallets(command: &mut Cmd, wallets: &[WalletId]) {
    for wallet in wallets {
        command.arg(format!("mypay:lock:{}", wallet.0));
    }
}

fn millis(duration: Duration) -> impl ToSingleRedisArg {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
