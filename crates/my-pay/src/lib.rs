//! The wiring: configuration, and the services put together as they run. The program in main.rs and
//! the tests both start what is here.

pub mod config;
pub mod flags;

pub mod account;
pub mod gateway;
pub mod money;
pub mod up;

pub mod admin;
pub mod api_keys;
pub mod backup;
mod client;
pub mod demo;
pub mod health;
pub mod migrate;
pub mod seed;

pub mod data_dir;
mod database;
mod edge;
pub mod open_files;
mod operations;
pub mod operator;
pub mod output;
mod server;
pub mod signals;
mod timekeeping;
