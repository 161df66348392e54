//! What every store of a kind needs, whatever it stores.

pub mod sqlite;
