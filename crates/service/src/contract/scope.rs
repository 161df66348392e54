//! Scopes: what an access token or an API key may be used for. Each call names its scope in the
//! specification, and [`crate::http::access`] enforces it.

use std::fmt;

macro_rules! scopes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// A permission, by the name that clients know.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Scope {
            /// Every scope, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

scopes! {
    /// Read the account acted for, and its sessions.
    AccountsRead = "accounts:read",
    /// Change and close the account acted for, and end its sessions.
    AccountsWrite = "accounts:write",
    /// Read the wallets of the account acted for, and their history.
    WalletsRead = "wallets:read",
    /// Open wallets for the account acted for.
    WalletsWrite = "wallets:write",
    /// Send money from the wallets of the account acted for.
    MoneySend = "money:send",
    /// Deposit into and withdraw from the wallets of the account acted for.
    MoneyFund = "money:fund",
    /// Read the wallets and the movements of every account.
    BooksRead = "books:read",
    /// Suspend and enable accounts, revoke their sessions, freeze wallets, pay out closed ones.
    Operate = "operate",
    /// Create, list, rotate and revoke API keys.
    KeysWrite = "keys:write",
}

impl Scope {
    /// The scope with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == name)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes. Written as their names with one space between them (RFC 6749, section 3.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u16);

/// A text that is not a set of scopes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope")]
pub struct UnknownScope(pub String);

impl Scopes {
    /// No scope.
    pub const NONE: Self = Self(0);

    /// What a person's access token may be used for, before the settings of a service add to it.
    pub const PERSON: Self = Self::of(&[
        Scope::AccountsRead,
        Scope::AccountsWrite,
        Scope::WalletsRead,
        Scope::WalletsWrite,
        Scope::MoneySend,
    ]);

    /// Every scope.
    pub const ALL: Self = Self::of(Scope::ALL);

    /// These scopes.
    pub const fn of(scopes: &[Scope]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < scopes.len() {
            bits |= scopes[index].bit();
            index += 1;
        }
        Self(bits)
    }

    /// Reads names with one space between them. None at all is the empty set.
    pub fn parse(text: &str) -> Result<Self, UnknownScope> {
        if text.is_empty() {
            return Ok(Self::NONE);
        }
        text.split(' ').try_fold(Self::NONE, |scopes, name| {
            let scope = Scope::parse(name).ok_or_else(|| UnknownScope(name.to_owned()))?;
            Ok(scopes.with(scope))
        })
    }

    /// Reads what another service wrote, which may be of a later version: scopes that are not known
    /// here allow nothing here, and are left out.
    pub fn known(text: &str) -> Self {
        text.split(' ').filter_map(Scope::parse).fold(Self::NONE, Self::with)
    }

    /// Whether the scope is one of them.
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether all of the others are among these.
    pub const fn contains_all(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }

    /// Those of these that are not among the others.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, scope: Scope) -> Self {
        Self(self.0 | scope.bit())
    }

    /// These and those.
    #[must_use]
    pub const fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in the order of the documentation.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.contains(*scope))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_written_and_read() {
        for (text, scopes) in [
            ("", Scopes::NONE),
            ("money:fund", Scopes::of(&[Scope::MoneyFund])),
            ("wallets:read money:fund", Scopes::of(&[Scope::MoneyFund, Scope::WalletsRead])),
        ] {
            assert_eq!(scopes.to_string(), text);
            assert_eq!(Scopes::parse(text), Ok(scopes));
        }
        assert_eq!(Scopes::parse(&Scopes::ALL.to_string()), Ok(Scopes::ALL));
        for bad in [" ", "money:fund ", "money:fund  operate", "Operate", "operate,keys:write", "x"]
        {
            assert!(Scopes::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn scopes_of_later_versions_allow_nothing() {
        let read = Scopes::known("money:mint wallets:read");
        assert_eq!(read, Scopes::of(&[Scope::WalletsRead]));
        assert_eq!(Scopes::known(""), Scopes::NONE);
    }

    #[test]
    fn every_scope_has_a_bit_of_its_own() {
        for &one in Scope::ALL {
            let set = Scopes::of(&[one]);
            assert_eq!(set.iter().collect::<Vec<_>>(), [one]);
            assert_eq!(Scope::parse(one.as_str()), Some(one));
            assert!(Scopes::ALL.contains_all(set));
            assert!(!set.contains_all(Scopes::ALL));
            assert_eq!(Scopes::ALL.without(set).with(one), Scopes::ALL);
        }
    }

    /// A registration alone gives no right to make money, and none over other accounts.
    #[test]
    fn people_have_no_power_over_others() {
        let expected = "accounts:read accounts:write wallets:read wallets:write money:send";
        assert_eq!(Scopes::PERSON.to_string(), expected);
    }
}
