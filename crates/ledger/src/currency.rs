//! Currencies, by their ISO 4217 alphabetic code.

use std::fmt;

/// A currency in circulation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// The active codes of ISO 4217 list one that name money people hold: funds, precious metals,
/// testing codes and units of account between central banks (X.., CHE, UYI, ...) are left out.
/// Sorted.
const CODES: &[u8] = b"\
AEDAFNALLAMDAOAARSAUDAWGAZNBAMBBDBDTBHDBIFBMDBNDBOBBRLBSDBTNBWPBYNBZDCADCDFCHFCLPCNYCOPCRCCUPCVECZK\
DJFDKKDOPDZDEGPERNETBEURFJDFKPGBPGELGHSGIPGMDGNFGTQGYDHKDHNLHTGHUFIDRILSINRIQDIRRISKJMDJODJPYKESKGS\
KHRKMFKPWKRWKWDKYDKZTLAKLBPLKRLRDLSLLYDMADMDLMGAMKDMMKMNTMOPMRUMURMVRMWKMXNMYRMZNNADNGNNIONOKNPRNZD\
OMRPABPENPGKPHPPKRPLNPYGQARRONRSDRUBRWFSARSBDSCRSDGSEKSGDSHPSLESOSSRDSSPSTNSVCSYPSZLTHBTJSTMTTNDTOP\
TRYTTDTWDTZSUAHUGXUSDUYUUZSVESVNDVUVWSTXAFXCDXOFXPFYERZARZMWZWG";

impl Currency {
    /// South Korean won: a wallet's currency where none is named.
    pub const KRW: Self = Self(*b"KRW");

    /// The currency with this code, in capital letters, or `None` if there is none.
    pub fn from_code(code: &str) -> Option<Self> {
        let code: [u8; 3] = code.as_bytes().try_into().ok()?;
        let (codes, _) = CODES.as_chunks::<3>();
        codes.binary_search(&code).ok().map(|_| Self(code))
    }

    /// All of them, by code.
    pub fn all() -> impl Iterator<Item = Self> {
        let (codes, _) = CODES.as_chunks::<3>();
        codes.iter().copied().map(Self)
    }

    /// Its code, three capital letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("codes are ASCII")
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_found() {
        let (codes, rest) = CODES.as_chunks::<3>();
        assert!(rest.is_empty() && codes.is_sorted_by(|a, b| a < b));
        assert_eq!(Currency::from_code("KRW"), Some(Currency::KRW));
        for unknown in ["", "kr", "krw", "XXX", "XAU", "KRWX", "₩"] {
            assert_eq!(Currency::from_code(unknown), None, "{unknown}");
        }
    }
}
