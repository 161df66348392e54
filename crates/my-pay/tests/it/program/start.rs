//! What the program finds when it starts: folders, ports and databases of every kind.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use expect_test::expect;

use super::refusal;
use crate::support::process::{Program, my_pay};

const UP: [&str; 5] = ["up", "--listen", "127.0.0.1:0", "--data-dir", "data"];

/// A data directory that the program has made, and left.
fn made_data_dir() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let ended = Program::start(&mut Program::command(folder.path())).stop();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    folder
}

#[tokio::test]
async fn a_data_directory_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(&mut Program::command(folder.path()));
    expect![[r#"
        my-pay: the data directory data is in use by another process
    "#]]
    .assert_eq(&refusal(&mut my_pay(folder.path(), &UP)));
    let live = program.client().get("/livez").send().await;
    assert_eq!(live.status, 200, "the first one goes on");
    assert_eq!(program.stop().code(), Some(0));
    // It is free again.
    assert_eq!(Program::start(&mut Program::command(folder.path())).stop().code(), Some(0));
}

#[test]
fn a_new_data_directory_is_for_its_owner_only() {
    let folder = made_data_dir();
    let mode = fs::metadata(folder.path().join("data")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
}

#[test]
fn a_port_in_use_is_refused_without_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["up", "--listen", &address, "--data-dir", "data"];
    let said = refusal(&mut my_pay(folder.path(), &arguments));
    expect![[r#"
        my-pay: cannot listen on ADDRESS: Address already in use (os error 98)
    "#]]
    .assert_eq(&said.replace(&address, "ADDRESS"));
    assert!(!folder.path().join("data").exists());
}

#[test]
fn an_impossible_data_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data"), "a file").unwrap();
    expect![[r#"
        my-pay: the data directory data cannot be created: File exists (os error 17)
    "#]]
    .assert_eq(&refusal(&mut my_pay(folder.path(), &UP)));
}

#[test]
fn databases_of_a_newer_program_are_refused() {
    let said = ["account.db", "money.db"].map(|name| {
        let folder = made_data_dir();
        let database = folder.path().join("data").join(name);
        let db = rusqlite::Connection::open(database).unwrap();
        let known: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        db.pragma_update(None, "user_version", 99).unwrap();
        let said = refusal(&mut my_pay(folder.path(), &UP));
        said.replace(&format!("up to {known}:"), "up to KNOWN:")
    });
    expect![[r#"
        my-pay: the account database cannot be opened: data/account.db has schema
            version 99, but this program knows only up to KNOWN: use the newer program
        my-pay: the money database cannot be opened: data/money.db has schema version
            99, but this program knows only up to KNOWN: use the newer program
    "#]]
    .assert_eq(&said.concat());
}

#[test]
fn files_that_are_no_databases_are_refused() {
    let said = ["account.db", "money.db"].map(|name| {
        let folder = made_data_dir();
        fs::write(folder.path().join("data").join(name), "not a database at all").unwrap();
        refusal(&mut my_pay(folder.path(), &UP))
    });
    expect![[r#"
        my-pay: the account database cannot be opened: the embedded database failed:
            file is not a database: Error code 26: file is not a database
        my-pay: the money database cannot be opened: the embedded database failed: file
            is not a database: Error code 26: file is not a database
    "#]]
    .assert_eq(&said.concat());
}
