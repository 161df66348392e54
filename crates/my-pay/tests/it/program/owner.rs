//! Whose a database file is: that of another service, of another installation or of another program
//! is refused by name, and nothing in it is changed.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use expect_test::{Expect, expect};
use rusqlite::Connection;

use super::refusal;
use crate::support::{
    Person,
    process::{Program, my_pay, run_my_pay},
};

const UP: [&str; 5] = ["up", "--listen", "127.0.0.1:0", "--data-dir", "data"];

/// The schemas of version 1, which recorded nothing about their owner.
const VERSION_1: [(&str, &str); 2] = [
    (
        "account.db",
        include_str!("../../../../account/src/store/sqlite/migrations/0001_accounts.sql"),
    ),
    (
        "money.db",
        include_str!(
            "../../../../money/src/store/sqlite/migrations/0001_wallets_and_transfers.sql"
        ),
    ),
];

/// A folder with the data directory `data` of this version.
fn made() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let ended = Program::start(&mut Program::command(folder.path())).stop();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    folder
}

/// The same of version 1.
fn made_by_version_1() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    DirBuilder::new().mode(0o700).create(folder.path().join("data")).unwrap();
    for (file, schema) in VERSION_1 {
        let db = Connection::open(folder.path().join("data").join(file)).unwrap();
        db.execute_batch(&format!("PRAGMA journal_mode = WAL; {schema}")).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
    }
    folder
}

fn installation(folder: &Path, file: &str) -> String {
    let db = Connection::open(folder.join("data").join(file)).unwrap();
    db.query_row("SELECT installation_id FROM installation", [], |row| row.get(0)).unwrap()
}

/// Runs a command, which must be refused with these words and leave the files as they are.
fn check_refused(folder: &Path, arguments: &[&str], expected: &Expect) {
    let files = ["data/account.db", "data/money.db"].map(|file| folder.join(file));
    let read = || files.each_ref().map(|file| fs::read(file).unwrap());
    let before = read();
    expected.assert_eq(&refusal(&mut my_pay(folder, arguments)));
    assert!(read() == before, "{arguments:?} changed a file");
}

fn swap(folder: &Path) {
    let data = folder.join("data");
    for (from, to) in [("account.db", "kept"), ("money.db", "account.db"), ("kept", "money.db")] {
        fs::rename(data.join(from), data.join(to)).unwrap();
    }
}

#[test]
fn swapped_files_are_refused_by_every_command_and_named() {
    let account = expect![[r#"
        my-pay: the account database cannot be opened: data/account.db is the database
            of the money service, and the account service's is needed
    "#]];
    for folder in [made(), made_by_version_1()] {
        swap(folder.path());
        check_refused(folder.path(), &UP, &account);
        let enable =
            ["admin", "account", "enable", "10001", "--reason", "a test", "--data-dir", "data"];
        check_refused(folder.path(), &enable, &account);
        check_refused(
            folder.path(),
            &["admin", "audit", "--data-dir", "data"],
            &expect![[r#"
                my-pay: the books cannot be audited: data/money.db is the database of the
                    account service, and the money service's is needed
            "#]],
        );
    }
}

/// The logs of a killed process stay behind under the wrong files.
#[test]
fn swapped_files_of_a_killed_process_are_not_changed_either() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(&mut Program::command(folder.path()));
    program.process.kill();
    swap(folder.path());
    let files = ["data/account.db", "data/money.db"].map(|file| folder.path().join(file));
    let read = || files.each_ref().map(|file| fs::read(file).unwrap());
    let before = read();
    for arguments in [
        &UP[..],
        &["migrate", "account", "--database-url", "sqlite:data/account.db"],
        &["migrate", "money", "--database-url", "sqlite:data/money.db"],
    ] {
        refusal(&mut my_pay(folder.path(), arguments));
        assert!(read() == before, "{arguments:?} changed a file");
    }
}

#[test]
fn a_service_apart_and_a_migration_refuse_the_other_service_s_file() {
    for folder in [made(), made_by_version_1()] {
        for (service, file, found) in
            [("account", "money", "money"), ("money", "account", "account")]
        {
            let url = format!("sqlite:data/{file}.db");
            let said = format!(
                "data/{file}.db is the database of the {found} service, and the {service} \
                 service's is needed"
            );
            let said: String = said.split_whitespace().collect();
            for arguments in [
                vec!["migrate", service, "--database-url", &url],
                vec![service, "--listen", "127.0.0.1:0", "--database-url", &url],
            ] {
                let mut command = my_pay(folder.path(), &arguments);
                command.env("MY_PAY_IDENTITY_KEYS", crate::support::cluster::IDENTITY_KEY);
                command.env("MY_PAY_UPSTREAMS_ACCOUNT", "127.0.0.1:9");
                command.env("MY_PAY_UPSTREAMS_MONEY", "127.0.0.1:9");
                let refused: String = refusal(&mut command).split_whitespace().collect();
                assert!(refused.ends_with(&said), "{arguments:?}: {refused}");
            }
        }
    }
}

#[test]
fn another_program_s_file_is_refused_and_named() {
    let folder = made();
    let path = folder.path().join("data/money.db");
    fs::remove_file(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE wallets (owner TEXT); CREATE TABLE posts (x)").unwrap();
    drop(other);
    check_refused(
        folder.path(),
        &UP,
        &expect![[r#"
            my-pay: the money database cannot be opened: data/money.db is the database of
                another program, as it has the table `posts`: the money service needs its
                own, or an empty one
        "#]],
    );
}

#[test]
fn files_of_two_installations_are_refused_and_both_named() {
    let (folder, other) = (made(), made());
    let [ours, theirs] = [&folder, &other].map(|made| installation(made.path(), "money.db"));
    assert_ne!(ours, theirs);
    assert_eq!(installation(folder.path(), "account.db"), ours);
    fs::copy(other.path().join("data/money.db"), folder.path().join("data/money.db")).unwrap();
    let said = refusal(&mut my_pay(folder.path(), &UP));
    expect![[r#"
        my-pay: data/account.db and data/money.db are not of the same installation: the
            money database belongs to installation THEIRS and
            the account service to installation OURS: their
            accounts and wallets do not fit together; use the databases of one
            installation, such as both of one backup
    "#]]
    .assert_eq(&said.replace(&ours, "OURS").replace(&theirs, "THEIRS"));
}

#[tokio::test]
async fn databases_of_version_1_become_one_installation() {
    let folder = made_by_version_1();
    let program = Program::start(&mut Program::command(folder.path()));
    let ann = Person::register(program.client(), "Ann").await.with_wallet().await;
    ann.deposit(3_000).await;
    assert_eq!(program.stop().code(), Some(0));
    let drawn = installation(folder.path(), "account.db");
    assert_eq!(installation(folder.path(), "money.db"), drawn);
    let audit = run_my_pay(folder.path(), &["admin", "audit", "--data-dir", "data"]);
    assert!(audit.stdout.ends_with("the books add up\n"), "{audit:?}");
    // The next start keeps it.
    Program::start(&mut Program::command(folder.path())).stop();
    assert_eq!(installation(folder.path(), "account.db"), drawn);
}
