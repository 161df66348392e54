//! Which installation of my-pay a database belongs to. The account service's database draws the id
//! once; the money service's database records it at first contact, and both then refuse the
//! database of another installation.

use std::{fmt, str::FromStr};

/// A random id of 128 bits. As text it is 32 lowercase hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installation(u128);

/// A text is not the id of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of an installation is 32 lowercase hexadecimal digits")]
pub struct InvalidInstallation;

/// Two databases that are used together belong to different installations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the money database belongs to installation {money} and the account service to installation \
     {account}: their accounts and wallets do not fit together; use the databases of one \
     installation, such as both of one backup"
)]
pub struct OtherInstallation {
    /// What the money database has recorded.
    pub money: Installation,
    /// What the account service's database has recorded.
    pub account: Installation,
}

impl Installation {
    /// A new id, from the operating system's randomness.
    pub fn draw() -> Result<Self, getrandom::Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        Ok(Self(u128::from_be_bytes(random)))
    }

    /// A given id.
    pub const fn from_u128(id: u128) -> Self {
        Self(id)
    }
}

impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Installation {
    type Err = InvalidInstallation;

    fn from_str(text: &str) -> Result<Self, InvalidInstallation> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(is_digit) {
            return Err(InvalidInstallation);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| InvalidInstallation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_id_are_the_same() {
        let id = Installation::from_u128(0xab);
        assert_eq!(id.to_string(), "000000000000000000000000000000ab");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in
            ["", "ab", "+00000000000000000000000000000ab", &"AB".repeat(16), &"ab".repeat(17)]
        {
            assert_eq!(text.parse::<Installation>(), Err(InvalidInstallation), "{text}");
        }
    }

    #[test]
    fn each_draw_is_another_id() {
        assert_ne!(Installation::draw().unwrap(), Installation::draw().unwrap());
    }
}
