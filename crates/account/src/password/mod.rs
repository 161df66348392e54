//! Passwords: which ones are accepted, and how they are hashed.

mod hasher;
mod policy;

pub use hasher::HashError;
pub(crate) use hasher::Hasher;
pub use policy::{NewPassword, PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN, UnfitPassword};
