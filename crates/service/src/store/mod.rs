//! What every store of a kind needs, whatever it stores.

pub mod counter;
pub mod mysql;
pub mod owner;
pub mod sqlite;
pub mod times;
