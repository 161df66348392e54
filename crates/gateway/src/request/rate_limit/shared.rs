//! Buckets in Redis, which all gateways share. One script takes from a request's buckets in one
//! round trip.
//!
//! Keys hold addresses in clear. A digest of so few possible values would hide nothing, a secret
//! would have to be shared and changed in step, and a bucket is gone as soon as it is full: two
//! seconds after the last request, by default.

use redis::ToRedisArgs;
use service::{
    http::network::Network,
    redis::{Redis, RedisUnavailable, Script},
};

use crate::config::Rate;

/// The client and the script.
pub(super) struct SharedBuckets {
    redis: Redis,
    script: Script,
}

/// A bucket, and the rate at which it is filled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    pub(super) of: Client,
    pub(super) rate: Rate,
}

/// Whose bucket it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Client {
    Address(Network),
    Session(i64),
    ApiKey(i64),
}

impl SharedBuckets {
    pub(super) fn new(redis: Redis) -> Self {
        Self { redis, script: Script::new(include_str!("take.lua")) }
    }

    /// How many more requests each bucket has, `None` for the one that has not even this one: then
    /// nothing was taken from those after it, and they are left out.
    pub(super) async fn take(
        &self,
        buckets: &[Bucket],
    ) -> Result<Vec<Option<u32>>, RedisUnavailable> {
        let mut command = self.script.command(buckets.len());
        for bucket in buckets {
            command.arg(bucket.of);
        }
        for Bucket { rate, .. } in buckets {
            command.arg(rate.per_second).arg(rate.burst);
        }
        let left: Vec<i64> = self.redis.run(&self.script, &command).await?;
        Ok(left.into_iter().map(|left| u32::try_from(left).ok()).collect())
    }
}

impl ToRedisArgs for Client {
    fn write_redis_args<W: ?Sized + redis::RedisWrite>(&self, out: &mut W) {
        let key = match self {
            Self::Address(Network::V4([a, b, c, d])) => {
                format!("mypay:rate:address:{a}.{b}.{c}.{d}")
            }
            Self::Address(Network::V6([a, b, c, d])) => {
                format!("mypay:rate:address:{a:x}:{b:x}:{c:x}:{d:x}")
            }
            Self::Session(id) => format!("mypay:rate:session:{id}"),
            Self::ApiKey(id) => format!("mypay:rate:api-key:{id}"),
        };
        out.write_arg(key.as_bytes());
    }
}

impl redis::ToSingleRedisArg for Client {}

#[cfg(test)]
mod tests;
