//! Scripts that Redis runs as one step. They are called by digest and sent only when Redis does not
//! know them: after its start, or after SCRIPT FLUSH.

use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind, aio::ConnectionLike};

/// A Lua script and its digest.
#[derive(Debug, Clone)]
pub struct Script(redis::Script);

impl Script {
    /// The script of this code.
    pub fn new(code: &str) -> Self {
        Self(redis::Script::new(code))
    }

    /// A call with this many keys, which are added first; arguments are added after them.
    pub fn command(&self, keys: usize) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.0.get_hash()).arg(keys);
        command
    }

    pub(super) async fn run<T: FromRedisValue>(
        &self,
        command: &Cmd,
        mut connection: impl ConnectionLike,
    ) -> RedisResult<T> {
        match command.query_async(&mut connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.0.load_async(&mut connection).await?;
                command.query_async(&mut connection).await
            }
            result => result,
        }
    }
}
