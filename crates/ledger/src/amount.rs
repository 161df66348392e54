//! Amounts of money.

/// Largest amount of a transfer and largest balance of a person's wallet: 2^53 - 1 minor units.
pub const AMOUNT_MAX: i64 = (1 << 53) - 1;

/// A positive amount in the minor unit of its currency (ISO 4217): 1 to [`AMOUNT_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

impl Amount {
    /// The amount, or `None` outside 1 to [`AMOUNT_MAX`].
    pub fn new(minor: i64) -> Option<Self> {
        (1..=AMOUNT_MAX).contains(&minor).then_some(Self(minor))
    }

    /// In minor units.
    pub fn minor(self) -> i64 {
        self.0
    }
}
