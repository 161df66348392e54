//! Audits of what may not be written or not be read: a copy that is kept as evidence, with and
//! without a log, as the user who may read it and as root, whom modes do not stop.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use expect_test::expect;
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::support::{
    Person,
    process::{Ended, PATIENCE, Process, Program, run_my_pay},
};

const NOBODY: &str = "65534";

/// A folder that everybody may enter, with the program in it and the files of a killed one.
struct Kept {
    folder: TempDir,
    program: PathBuf,
}

impl Kept {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        set_mode(folder.path(), 0o755);
        let mut program = Program::start(&mut Program::command(folder.path()));
        let ann = Person::register(program.client(), "Ann").await.with_wallet().await;
        ann.deposit(3_000).await;
        program.process.kill();
        let path = folder.path().join("my-pay");
        // Where it was built, only its builder may be able to read it.
        let built = Path::new(env!("CARGO_BIN_EXE_my-pay"));
        if fs::hard_link(built, &path).is_err() {
            fs::copy(built, &path).unwrap();
        }
        Self { folder, program: path }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A copy of these files, none of which may be written.
    fn copy(&self, name: &str, from: &str, files: &[&str]) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir(&folder).unwrap();
        for file in files {
            fs::copy(self.path(from).join(file), folder.join(file)).unwrap();
            set_mode(&folder.join(file), 0o444);
        }
        set_mode(&folder, 0o555);
        folder
    }

    /// As this user, and as one without rights.
    fn audits(&self, name: &str) -> Vec<Ended> {
        let arguments = ["admin", "audit", "--data-dir", name];
        let mut all = vec![run_my_pay(self.folder.path(), &arguments)];
        if geteuid().is_root() {
            all.push(self.as_nobody(&arguments));
        }
        all
    }

    fn as_nobody(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
        command.arg(&self.program).args(arguments).env_clear().current_dir(self.folder.path());
        Process::start(&mut command).wait(PATIENCE)
    }

    /// Whatever may not be written can still be thrown away.
    fn discard(self) {
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                set_mode(&path, 0o755);
            }
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Every file in a folder with what is in it.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    all.sort();
    all
}

const WHOLE: &str = "2 wallets, 1 completed and 0 failed transfers";

#[tokio::test]
async fn a_copy_that_may_not_be_written_is_audited_and_not_touched() {
    let kept = Kept::new().await;
    let backup = ["admin", "backup", "backup", "--data-dir", "data"];
    // An audit where everything may be written leaves the log as it is, too.
    let before = fs::read(kept.path("data/money.db-wal")).unwrap();
    let audit = run_my_pay(kept.folder.path(), &["admin", "audit", "--data-dir", "data"]);
    assert!(audit.stdout.starts_with(WHOLE), "{audit:?}");
    assert_eq!(fs::read(kept.path("data/money.db-wal")).unwrap(), before);
    let log = ["money.db", "money.db-wal"];
    let index = ["money.db", "money.db-wal", "money.db-shm"];
    let private = "may not be written and has a log: both were read from a private copy";
    let without = "may not be written and has no log beside it: read as it is";
    // Without its log the killed process's file is what it was at the last checkpoint, at its start.
    let empty = "0 wallets, 0 completed and 0 failed transfers";
    let mut cases = vec![
        (kept.copy("log", "data", &log), private, WHOLE),
        (
            kept.copy("index", "data", &index),
            "may not be written: read together with its log",
            WHOLE,
        ),
        (kept.copy("alone", "data", &["money.db"]), without, empty),
    ];
    assert_eq!(run_my_pay(kept.folder.path(), &backup).code(), Some(0));
    cases.push((kept.copy("evidence", "backup", &["money.db"]), without, WHOLE));
    for (folder, note, found) in cases {
        let before = contents(&folder);
        let name = folder.file_name().unwrap().to_str().unwrap();
        for audit in kept.audits(name) {
            assert_eq!((audit.code(), audit.stderr.as_str()), (Some(0), ""), "{name}");
            assert!(
                audit.stdout.starts_with(&format!("{name}/money.db {note}\n{found}\n")),
                "{audit:?}"
            );
            assert!(audit.stdout.ends_with("the books add up\n"), "{audit:?}");
        }
        assert_eq!(contents(&folder), before, "{name} was touched");
    }
    kept.discard();
}

#[tokio::test]
async fn spoilt_evidence_fails_the_audit() {
    let kept = Kept::new().await;
    let db = rusqlite::Connection::open(kept.path("data/money.db")).unwrap();
    db.execute("UPDATE transfers SET summary = 'another'", []).unwrap();
    drop(db);
    kept.copy("evidence", "data", &["money.db"]);
    for audit in kept.audits("evidence") {
        assert_eq!((audit.code(), audit.stderr.as_str()), (Some(1), ""));
        assert!(audit.stdout.ends_with("contradict each other: summary\n"), "{audit:?}");
    }
    kept.discard();
}

/// Whom modes do not stop cannot see this.
#[tokio::test]
async fn a_missing_permission_is_not_a_missing_file() {
    let kept = Kept::new().await;
    let audit = ["admin", "audit", "--data-dir", "data"];
    let enable =
        ["admin", "account", "enable", "10001", "--reason", "a test", "--data-dir", "data"];
    let says = |arguments: &[&str]| {
        let ended = if geteuid().is_root() {
            kept.as_nobody(arguments)
        } else {
            run_my_pay(kept.folder.path(), arguments)
        };
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(1), ""));
        ended.stderr
    };
    let mut said = String::new();
    // Closed to the user, as a data directory is.
    set_mode(&kept.path("data"), 0o000);
    said += &says(&audit);
    said += &says(&enable);
    said += &says(&["admin", "backup", "backup", "--data-dir", "data"]);
    set_mode(&kept.path("data"), 0o755);
    set_mode(&kept.path("data/money.db"), 0o000);
    said += &says(&audit);
    set_mode(&kept.path("data/money.db"), 0o644);
    set_mode(&kept.path("data/money.db-wal"), 0o000);
    said += &says(&audit);
    fs::remove_file(kept.path("data/money.db")).unwrap();
    said += &says(&audit);
    said += &says(&["admin", "audit", "--data-dir", "missing"]);
    expect![[r#"
        my-pay: the books cannot be audited: data/money.db cannot be read: Permission denied (os error 13)
        my-pay: the account database cannot be opened: data/account.db cannot be read: Permission denied (os error 13)
        my-pay: the databases of data cannot be found: Permission denied (os error 13)
        my-pay: the books cannot be audited: data/money.db cannot be read: Permission denied (os error 13)
        my-pay: the books cannot be audited: data/money.db-wal cannot be read: Permission denied (os error 13)
        my-pay: the books cannot be audited: there is no database data/money.db
        my-pay: there is no data directory missing
    "#]].assert_eq(&said);
    kept.discard();
}
