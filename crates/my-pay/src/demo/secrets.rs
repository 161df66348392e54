//! What the demonstration draws at its first start and keeps for later ones: a file in the data
//! directory, for its owner only.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use service::files;

use super::backend::Key;

/// Its name in the data directory.
const NAME: &str = "demonstration.json";

/// The file's content.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Secrets {
    pub(super) ann_password: String,
    pub(super) bob_password: String,
    /// Whether both accounts have had these passwords. The file is on disk before the accounts are
    /// made, so a start after a crash in between makes them with the same passwords, and gives
    /// these to accounts of before, as after the restore of a backup. Once it is true, another
    /// password is one that the account's owner has chosen.
    pub(super) are_set: bool,
    /// Of the backend, once it is created.
    #[serde(default)]
    pub(super) api_key: Option<Key>,
}

impl Secrets {
    /// New passwords, from the operating system's randomness.
    pub(super) fn draw() -> anyhow::Result<Self> {
        let password = || -> anyhow::Result<String> {
            let mut random = [0; 16];
            getrandom::fill(&mut random).context("there is no randomness for a password")?;
            Ok(spell(random))
        };
        let [ann_password, bob_password] = [password()?, password()?];
        Ok(Self { ann_password, bob_password, are_set: false, api_key: None })
    }

    /// Those of an earlier start, if there was one and its file is still there.
    pub(super) fn read(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = file(data_dir);
        let shown = path.display();
        files::narrow(&path).with_context(|| format!("{shown} cannot be read"))?;
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{shown} cannot be read")),
        };
        // The cause would show a part of the file, which the log must not have.
        let secrets = serde_json::from_slice(&text).ok();
        let secrets = secrets.with_context(|| {
            format!(
                "{shown} is not as the demonstration writes it: remove it, and the next start \
                 draws new passwords"
            )
        })?;
        Ok(Some(secrets))
    }

    /// Puts the file in the place of the one of before, in one step, and on disk.
    pub(super) fn keep(&self, data_dir: &Path) -> anyhow::Result<()> {
        let path = file(data_dir);
        let kept = self.try_keep(&path);
        kept.with_context(|| format!("{} cannot be written", path.display()))
    }

    fn try_keep(&self, path: &Path) -> io::Result<()> {
        let unfinished = files::beside(path, ".new");
        // What an interrupted start may have left is written over.
        files::make_file(&unfinished)?;
        let mut file = File::options().write(true).truncate(true).open(&unfinished)?;
        file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        files::flush_names(files::folder_of(path))
    }
}

/// Where they are kept.
pub(super) fn file(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

/// Four groups of four, 80 bits: letters and digits of which no two look alike.
fn spell(random: [u8; 16]) -> String {
    const SYMBOLS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let symbols: Vec<char> =
        random.iter().map(|byte| char::from(SYMBOLS[usize::from(byte % 32)])).collect();
    symbols.chunks(4).map(String::from_iter).collect::<Vec<_>>().join("-")
}

impl fmt::Debug for Secrets {
    /// Not shown, so that no log can have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    use account::NewPassword;

    use super::*;

    #[test]
    fn passwords_are_typed_with_ease_and_accepted() {
        assert_eq!(spell([0; 16]), "aaaa-aaaa-aaaa-aaaa");
        let all: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).unwrap() + 240);
        assert_eq!(spell(all), "stuv-wxyz-2345-6789");
        let secrets = Secrets::draw().unwrap();
        assert_ne!(secrets.ann_password, secrets.bob_password);
        NewPassword::accept(secrets.ann_password.clone(), Some("Ann"), None).unwrap();
        assert_eq!(format!("{secrets:?}"), "Secrets(..)");
    }

    #[test]
    fn they_are_kept_for_their_owner_whatever_an_interrupted_start_has_left() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Secrets::read(folder.path()).unwrap(), None);
        // Begun, not finished, and longer than what comes.
        let unfinished = files::beside(&file(folder.path()), ".new");
        fs::write(&unfinished, "x".repeat(10_000)).unwrap();
        assert_eq!(Secrets::read(folder.path()).unwrap(), None);
        let mut secrets = Secrets::draw().unwrap();
        for _ in 0..2 {
            secrets.keep(folder.path()).unwrap();
            assert_eq!(Secrets::read(folder.path()).unwrap(), Some(secrets.clone()));
            secrets.are_set = true;
        }
        let mode = || fs::metadata(file(folder.path())).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        fs::set_permissions(file(folder.path()), Permissions::from_mode(0o644)).unwrap();
        assert!(Secrets::read(folder.path()).unwrap().is_some());
        assert_eq!(mode(), 0o600);
        assert!(!unfinished.exists());
    }

    #[test]
    fn a_damaged_file_is_refused_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(file(folder.path()), r#"{"annPassword": "abcd-efgh""#).unwrap();
        let refusal = format!("{:#}", Secrets::read(folder.path()).unwrap_err());
        assert!(refusal.contains("demonstration.json is not as"), "{refusal}");
        assert!(!refusal.contains("abcd"), "{refusal}");
    }
}
