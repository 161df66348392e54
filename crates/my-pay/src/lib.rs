//! The wiring: configuration, and the services put together as they run. The program in main.rs and
//! the tests both start what is here.

pub mod config;
pub mod data_dir;
pub mod demo;
pub mod open_files;
pub mod up;
