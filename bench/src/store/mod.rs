//! SQL of the benchmark's own: what the money engine is compared with.

mod classic;

pub(crate) use self::classic::Classic;
