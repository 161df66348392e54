//! What a backup says of itself: a small file of JSON beside the databases. Without it a folder is
//! no backup, so it is written last.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::files;

/// Its name in the folder.
const NAME: &str = "manifest.json";
/// The form described here. A program that does not know a form does not restore it.
const FORMAT: u32 = 1;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    format: u32,
    /// The version of the program that made it.
    pub(super) program: String,
    /// The moment that it holds, as RFC 3339.
    pub(super) taken_at: String,
    /// The newest change of an account in it, and how far money had followed.
    pub(super) account_feed_sequence: i64,
    pub(super) money_feed_sequence: i64,
    /// The account service's and the money service's.
    pub(super) databases: Vec<Database>,
}

/// One database in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Database {
    pub(super) service: String,
    /// Its name in the folder, which is its name in a data directory.
    pub(super) file: String,
    pub(super) schema_version: usize,
    pub(super) bytes: u64,
    /// Of the whole file, in hexadecimal digits.
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn new(
        taken_at: String,
        [account_feed_sequence, money_feed_sequence]: [i64; 2],
        databases: Vec<Database>,
    ) -> Self {
        Self {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at,
            account_feed_sequence,
            money_feed_sequence,
            databases,
        }
    }

    /// Writes it to the disk.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(self).expect("it has a form in JSON");
        text.push('\n');
        files::write(&folder.join(NAME), text.as_bytes())
    }

    /// Reads it, and shows that the folder has the databases that it names, and both services'.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(NAME);
        let text = std::fs::read(&path).with_context(|| {
            format!("{} is no complete backup: {NAME} cannot be read", folder.display())
        })?;
        let manifest: Self = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no manifest of a backup", path.display()))?;
        let format = manifest.format;
        anyhow::ensure!(
            format == FORMAT,
            "the backup has the form {format}, and this program knows {FORMAT}: use the program \
             that made it, my-pay {}",
            manifest.program
        );
        let found: Vec<_> =
            manifest.databases.iter().map(|database| database.file.as_str()).collect();
        anyhow::ensure!(
            found == files::DATABASES,
            "{} names {found:?}, and a backup has {:?}",
            path.display(),
            files::DATABASES
        );
        for Database { file, bytes, .. } in &manifest.databases {
            let size = std::fs::metadata(folder.join(file))
                .with_context(|| format!("{file} of the backup cannot be read"))?
                .len();
            anyhow::ensure!(
                size == *bytes,
                "{file} of the backup has {size} bytes, and the manifest says {bytes}: it is \
                 damaged"
            );
        }
        Ok(manifest)
    }
}
