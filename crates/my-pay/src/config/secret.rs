//! Values that must not be seen: keys, and URLs with passwords. They are masked wherever a
//! configuration is shown, and may come from a file of their own, as containers hand secrets over.

use std::{fmt, fs, path::Path, str::FromStr};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize, Serializer};

use super::given::Empty;

/// What is shown of a secret.
const MASK: &str = "***";

/// A value that is masked when it is shown. Never empty.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Secret(String);

impl Secret {
    /// The value itself, for whoever needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What may be shown: of a URL all but the password, of anything else nothing.
    fn masked(&self) -> String {
        if self.0.starts_with("sqlite:") {
            return self.0.clone();
        }
        let Some((scheme, rest)) = self.0.split_once("://") else { return MASK.to_owned() };
        // An unescaped `@` or `/` in a password is a mistake that must not show it either.
        let Some((login, place)) = rest.rsplit_once('@') else { return self.0.clone() };
        match login.split_once(':') {
            Some((user, _)) => format!("{scheme}://{user}:{MASK}@{place}"),
            None => self.0.clone(),
        }
    }
}

impl TryFrom<String> for Secret {
    type Error = Empty;

    fn try_from(value: String) -> Result<Self, Empty> {
        if value.is_empty() { Err(Empty) } else { Ok(Self(value)) }
    }
}

impl FromStr for Secret {
    type Err = Empty;

    fn from_str(value: &str) -> Result<Self, Empty> {
        value.to_owned().try_into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.masked())
    }
}

/// The secret of the setting `name`: given itself, or in a file by the setting `name`_file.
pub(super) fn read(
    name: &str,
    given: Option<&Secret>,
    file: Option<&Path>,
) -> anyhow::Result<Option<Secret>> {
    match (given, file) {
        (Some(_), Some(_)) => bail!("{name} and {name}_file are both given: which one counts?"),
        (Some(secret), None) => Ok(Some(secret.clone())),
        (None, Some(path)) => {
            let shown = path.display();
            let text = fs::read_to_string(path)
                .with_context(|| format!("the file {shown} ({name}_file) cannot be read"))?;
            // Editors and `echo` end a file with a line break, which no secret has.
            let text = text.trim_end_matches(['\r', '\n']);
            anyhow::ensure!(!text.is_empty(), "the file {shown} ({name}_file) is empty");
            Ok(Some(Secret(text.to_owned())))
        }
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_secret() {
        for (secret, shown) in [
            ("a key", "***"),
            ("k1:c2VjcmV0", "***"),
            ("sqlite:my-pay-data/money.db", "sqlite:my-pay-data/money.db"),
            ("mysql://ann@db:3306/money", "mysql://ann@db:3306/money"),
            ("mysql://ann:secret@db:3306/money", "mysql://ann:***@db:3306/money"),
            ("mysql://ann:se@cr/et:1@db:3306/money", "mysql://ann:***@db:3306/money"),
            ("redis://:secret@cache:6379/0", "redis://:***@cache:6379/0"),
            ("redis://cache:6379", "redis://cache:6379"),
        ] {
            assert_eq!(format!("{:?}", secret.parse::<Secret>().unwrap()), shown);
        }
    }
}
