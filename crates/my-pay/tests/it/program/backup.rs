//! Backup and restore of the embedded databases: beside a busy program, refused where something is
//! in the way, and whole whatever was interrupted.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use expect_test::expect;
use tempfile::TempDir;

use super::refusal;
use crate::{
    crash::load::{Asked, Outcome, People},
    support::{
        Person,
        process::{Ended, Program, my_pay, run_my_pay},
        random::Random,
    },
};

fn admin(folder: &TempDir, arguments: &[&str]) -> Ended {
    let arguments = [&["admin"], arguments, &["--data-dir", "data"]].concat();
    run_my_pay(folder.path(), &arguments)
}

/// One that must succeed.
fn admin_ok(folder: &TempDir, arguments: &[&str]) -> String {
    let ended = admin(folder, arguments);
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    ended.stdout
}

fn refused(folder: &TempDir, arguments: &[&str]) -> String {
    let arguments = [&["admin"], arguments, &["--data-dir", "data"]].concat();
    refusal(&mut my_pay(folder.path(), &arguments))
}

fn refused_start(folder: &TempDir) -> String {
    refusal(&mut Program::command(folder.path()))
}

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A program with a person who has 3,000 won, stopped or killed.
struct Left {
    folder: TempDir,
    ann: Person,
}

impl Left {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the program, makes a backup beside it, gives Ann another 500 won, and kills it.
    async fn after_a_backup() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut program = Program::start(&mut Program::command(folder.path()));
        let ann = Person::register(program.client(), "Ann").await.with_wallet().await;
        ann.deposit(3_000).await;
        admin_ok(&folder, &["backup", "copy"]);
        ann.deposit(500).await;
        program.process.kill();
        Self { folder, ann }
    }

    /// Starts the program, and reads what Ann has.
    async fn balance(&self) -> i64 {
        let program = Program::start(&mut Program::command(self.folder.path()));
        let ann = Person { client: program.client(), ..self.ann.clone() };
        let balance = ann.balance().await;
        assert_eq!(program.stop().code(), Some(0));
        balance
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_restores_all_that_was_answered_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new();
    let mut command = Program::command(folder.path());
    command.env("MY_PAY_LOG_LEVELS", "info,my_pay_gateway::access=warn");
    let mut program = Program::start(&mut command);
    let (people, funding) = People::register(&program.client()).await;
    let mut known: Vec<(Asked, Outcome)> = funding.answered;
    for _ in 0..200 {
        let asked = people.think_of(&mut random);
        let (outcome, _) = people.send(&asked).await.unwrap();
        known.push((asked, outcome));
    }
    // No client may be answered anything but what a movement is answered: the load asserts that.
    let load = people.start_load(32, &mut random);
    load.wait_for_answers(500).await;
    let made = admin_ok(&folder, &["backup", "copy"]);
    assert!(made.starts_with("copy: a backup of "), "{made}");
    load.wait_for_answers(500).await;
    program.process.kill();
    let later = load.join().await.answered.len();

    // The backup itself can be audited, before it is needed.
    let audited = run_my_pay(folder.path(), &["admin", "audit", "--data-dir", "copy"]);
    assert!(audited.stdout.ends_with("the books add up\n"), "{audited:?}");
    assert_eq!(names(&folder.path().join("copy")), ["account.db", "manifest.json", "money.db"]);

    let restored = admin_ok(&folder, &["restore", "copy", "--replace"]);
    assert!(restored.ends_with("the books add up\n"), "{restored}");
    let program = Program::start(&mut command);
    let people = people.on(&program.client());
    for (n, (asked, outcome)) in known.iter().enumerate() {
        people.check_kept(asked, outcome, n % 2 == 0).await;
    }
    assert_eq!(program.stop().code(), Some(0));
    let report = money::store::sqlite::audit(&folder.path().join("data/money.db")).unwrap();
    let kept = usize::try_from(report.completed_transfers + report.failed_transfers).unwrap();
    assert!(report.is_clean(), "{report}");
    assert!(
        kept >= known.len() + 400 && kept < known.len() + later,
        "{kept} of {} known before, and {later} answered later",
        known.len()
    );
}

#[tokio::test]
async fn a_restore_leaves_nothing_of_what_was_there() {
    let left = Left::after_a_backup().await;
    assert!(left.path("data/money.db-wal").exists(), "a killed process leaves its log");
    let said = refused(&left.folder, &["restore", "copy"]);
    expect![[r#"
        my-pay: data has account.db, account.db-wal, account.db-shm, money.db,
            money.db-wal, money.db-shm already: --replace moves what is there aside
    "#]]
    .assert_eq(&said);
    admin_ok(&left.folder, &["restore", "copy", "--replace"]);
    let mut there = names(&left.path("data"));
    let aside = there.pop().unwrap();
    assert_eq!(there, ["account.db", "lock", "money.db"]);
    for name in ["account.db", "money.db"] {
        let mode = fs::metadata(left.path("data").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let [ours, backup] = ["data", "copy"].map(|folder| left.path(folder).join(name));
        assert_eq!(fs::read(ours).unwrap(), fs::read(backup).unwrap());
    }
    assert_eq!(left.balance().await, 3_000);
    // What was there is a whole data directory, and nothing in it is lost.
    fs::remove_dir_all(left.path("copy")).unwrap();
    fs::rename(left.path("data").join(aside), left.path("before")).unwrap();
    fs::remove_dir_all(left.path("data")).unwrap();
    fs::rename(left.path("before"), left.path("data")).unwrap();
    assert_eq!(left.balance().await, 3_500);
}

#[tokio::test]
async fn a_backup_that_is_copied_over_the_files_of_a_killed_process_is_noticed() {
    let left = Left::after_a_backup().await;
    for name in ["account.db", "money.db"] {
        fs::copy(left.path("copy").join(name), left.path("data").join(name)).unwrap();
    }
    expect![[r#"
        my-pay: the account database cannot be opened: data/account.db-wal is not the
            log of data/account.db: the file was written without a log. Something was
            put in the place of a database whose process had been killed. Use `my-pay
            admin restore`, which moves both aside
    "#]]
    .assert_eq(&refused_start(&left.folder));
    admin_ok(&left.folder, &["restore", "copy", "--replace"]);
    assert_eq!(left.balance().await, 3_000);
}

#[tokio::test]
async fn a_directory_in_use_and_a_folder_that_is_not_empty_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(&mut Program::command(folder.path()));
    admin_ok(&folder, &["backup", "copy"]);
    expect![[r#"
        my-pay: the data directory data is in use by another process
    "#]]
    .assert_eq(&refused(&folder, &["restore", "copy", "--replace"]));
    expect![[r#"
        my-pay: copy is there and not empty: name a new folder
    "#]]
    .assert_eq(&refused(&folder, &["backup", "copy"]));
    expect![[r#"
        my-pay: data/lock cannot be a new folder: Not a directory (os error 20)
    "#]]
    .assert_eq(&refused(&folder, &["backup", "data/lock"]));
    fs::create_dir(folder.path().join("empty")).unwrap();
    admin_ok(&folder, &["backup", "empty"]);
    for name in ["empty", "empty/account.db", "empty/money.db", "empty/manifest.json"] {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} is for its owner only");
    }
    let live = program.client().get("/readyz").send().await;
    assert_eq!(live.status, 200, "{}", live.body);
    assert_eq!(program.stop().code(), Some(0));
    // Of a program that does not run, too.
    admin_ok(&folder, &["backup", "later"]);
    assert_eq!(names(folder.path()), ["copy", "data", "empty", "later"]);
}

#[test]
fn a_backup_of_nothing_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    expect![[r#"
        my-pay: there is no data directory data
    "#]]
    .assert_eq(&refused(&folder, &["backup", "copy"]));
    fs::create_dir(folder.path().join("data")).unwrap();
    expect![[r#"
        my-pay: the databases of data cannot be found: No such file or directory (os
            error 2)
    "#]]
    .assert_eq(&refused(&folder, &["backup", "copy"]));
    assert_eq!(names(folder.path()), ["data"]);
    assert_eq!(names(&folder.path().join("data")), [""; 0]);
}

#[tokio::test]
async fn a_damaged_backup_is_refused_and_what_is_there_stays() {
    let left = Left::after_a_backup().await;
    let before = names(&left.path("data"));
    let money = left.path("copy/money.db");
    let good = fs::read(&money).unwrap();
    let mut spoilt = good.clone();
    spoilt[5_000] ^= 1;
    let mut said = String::new();
    for content in [&spoilt[..], &good[..good.len() - 1]] {
        fs::write(&money, content).unwrap();
        said += &refused(&left.folder, &["restore", "copy", "--replace"]);
    }
    fs::remove_file(&money).unwrap();
    said += &refused(&left.folder, &["restore", "copy", "--replace"]);
    fs::write(&money, &good).unwrap();
    let manifest = left.path("copy/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
    said += &refused(&left.folder, &["restore", "copy", "--replace"]);
    fs::remove_file(&manifest).unwrap();
    said += &refused(&left.folder, &["restore", "copy", "--replace"]);
    let digits = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let said = said.replace(&good.len().to_string(), "LENGTH");
    let said = said.replace(&(good.len() - 1).to_string(), "LESS");
    let words = |line: &str| {
        let word = |word: &str| {
            if digits(word.trim_end_matches([',', ':'])) {
                "DIGEST".to_owned()
            } else {
                word.to_owned()
            }
        };
        line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
    };
    let said: Vec<_> = said.split("my-pay: ").skip(1).map(words).collect();
    expect![[r#"
        money.db of the backup has the digest DIGEST and the manifest says DIGEST it is damaged
        money.db of the backup has LESS bytes, and the manifest says LENGTH: it is damaged
        money.db of the backup cannot be read: No such file or directory (os error 2)
        the backup has the form 2, and this program knows 1: use the program that made it, my-pay 0.1.0
        copy is no complete backup: manifest.json cannot be read: No such file or directory (os error 2)
    "#]].assert_eq(&(said.join("\n") + "\n"));
    assert_eq!(names(&left.path("data")), before);
    assert_eq!(left.balance().await, 3_500);
}

#[tokio::test]
async fn what_an_interrupted_restore_leaves_does_not_start_until_it_is_restored() {
    let left = Left::after_a_backup().await;
    let mark = left.path("data/restore.unfinished");
    // Before the first file was moved; between them; after the last.
    for state in 0..3 {
        fs::write(&mark, "").unwrap();
        fs::create_dir(left.path("data/restore.staging")).unwrap();
        if state == 1 {
            fs::rename(left.path("data/money.db"), left.path("data/restore.staging/money.db"))
                .unwrap();
        }
        expect![[r#"
            my-pay: a restore into data was interrupted while it exchanged files: run
                `my-pay admin restore` again
        "#]]
        .assert_eq(&refused_start(&left.folder));
        let migrate = ["migrate", "money", "--database-url", "sqlite:data/money.db"];
        let said = refusal(&mut my_pay(left.folder.path(), &migrate));
        assert!(said.contains("a restore into data was interrupted"), "{said}");
        admin_ok(&left.folder, &["restore", "copy", "--replace"]);
        assert!(!mark.exists() && !left.path("data/restore.staging").exists());
        assert_eq!(left.balance().await, 3_000);
    }
    // A restore that had not begun to exchange files changes nothing.
    fs::create_dir(left.path("data/restore.staging")).unwrap();
    fs::write(left.path("data/restore.staging/money.db"), "half of it").unwrap();
    assert_eq!(left.balance().await, 3_000);
}

#[tokio::test]
async fn what_an_interrupted_backup_leaves_is_no_backup_and_in_no_one_s_way() {
    let left = Left::after_a_backup().await;
    fs::rename(left.path("copy"), left.path("next.unfinished")).unwrap();
    fs::remove_file(left.path("next.unfinished/manifest.json")).unwrap();
    let said = refused(&left.folder, &["restore", "next.unfinished", "--replace"]);
    expect![[r#"
        my-pay: next.unfinished is no complete backup: manifest.json cannot be read: No
            such file or directory (os error 2)
    "#]]
    .assert_eq(&said);
    // As long as another command is at work in it, it is left alone.
    let held = fs::File::open(left.path("next.unfinished")).unwrap();
    held.lock().unwrap();
    let said = refused(&left.folder, &["backup", "next"]);
    assert!(said.contains("another command is at work in next.unfinished"), "{said}");
    drop(held);
    admin_ok(&left.folder, &["backup", "next"]);
    assert!(!left.path("next.unfinished").exists());
    admin_ok(&left.folder, &["restore", "next", "--replace"]);
    assert_eq!(left.balance().await, 3_500);
}

#[tokio::test]
async fn databases_that_do_not_belong_together_are_refused() {
    let left = Left::after_a_backup().await;
    let db = rusqlite::Connection::open(left.path("data/money.db")).unwrap();
    db.execute("INSERT OR REPLACE INTO feed_positions VALUES ('accounts', 7)", []).unwrap();
    drop(db);
    expect![[r#"
        my-pay: the two databases do not belong together: money.db has followed the
            changes of accounts to number 7, and account.db has only 0
    "#]]
    .assert_eq(&refused(&left.folder, &["backup", "other"]));
    assert!(!left.path("other").exists() && !left.path("other.unfinished").exists());
}

#[test]
fn a_named_database_is_not_silently_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = my_pay(folder.path(), &["admin", "backup", "copy"]);
    command.env("MY_PAY_MONEY_DATABASE_URL", "mysql://money@127.0.0.1:3306/money");
    expect![[r#"
        my-pay: money.database_url is set, and this works on a data directory: name it
            by --data-dir if both files are in one; docs/production.md says how MySQL is
            backed up
    "#]]
    .assert_eq(&refusal(&mut command));
}
