//! Where a demonstration's data directory is served: on loopback addresses, by `my-pay up`, now and
//! later, whatever is deleted, backed up or restored.

use std::{fs, process::Command};

use expect_test::expect;
use tempfile::TempDir;

use super::{Demo, file};
use crate::{
    program::refusal,
    support::{
        Person,
        cluster::IDENTITY_KEY,
        process::{Program, my_pay, run_my_pay},
    },
};

fn up(folder: &TempDir, arguments: &[&str]) -> Command {
    my_pay(folder.path(), &[&["up", "--data-dir", "data"], arguments].concat())
}

/// Everything by which a marked directory could be served to others.
fn check_refused(folder: &TempDir) {
    for listen in ["[::]:0", "[::ffff:0.0.0.0]:0"] {
        let said = refusal(&mut up(folder, &["--listen", listen]));
        assert!(said.contains("is served on loopback addresses only"), "{listen}: {said}");
    }
    expect![[r#"
        my-pay: the data directory data is the demonstration's (`my-pay up --demo`),
            which is served on loopback addresses only, and 0.0.0.0:0 is none: its
            passwords and its key are printed, and its money is made from nothing. For
            people, start with another data directory (--data-dir)
    "#]]
    .assert_eq(&refusal(&mut up(folder, &["--listen", "0.0.0.0:0"])));
    let url = "sqlite:data/account.db";
    let mut apart =
        my_pay(folder.path(), &["account", "--listen", "127.0.0.1:0", "--database-url", url]);
    apart.env("MY_PAY_IDENTITY_KEYS", IDENTITY_KEY);
    // Nothing listens there.
    apart.env("MY_PAY_UPSTREAMS_MONEY", "127.0.0.1:9");
    expect![[r#"
        my-pay: the account database is the demonstration's (`my-pay up --demo`), which
            only `my-pay up` serves, on loopback addresses: its passwords and its key
            are printed, and its money is made from nothing. For people, start with
            another database
    "#]]
    .assert_eq(&refusal(&mut apart));
}

#[test]
fn the_demonstration_is_refused_where_others_could_reach_it() {
    let folder = tempfile::tempdir().unwrap();
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
        let said = refusal(&mut up(&folder, &["--demo", "--listen", listen]));
        assert!(said.contains("--demo needs a loopback address"), "{said}");
        assert!(!folder.path().join("data").exists());
    }
    expect![[r#"
        my-pay: --demo needs a loopback address, such as 127.0.0.1:8080, and 0.0.0.0:0
            is none: its passwords and its key are printed, and its money is made from
            nothing
    "#]]
    .assert_eq(&refusal(&mut up(&folder, &["--demo", "--listen", "0.0.0.0:0"])));
}

#[test]
fn its_data_directory_is_refused_there_later_and_served_on_loopback() {
    let folder = tempfile::tempdir().unwrap();
    Demo::start(&folder).stop();
    check_refused(&folder);
    fs::remove_file(file(&folder)).unwrap();
    check_refused(&folder);
    // Without --demo, for this machine.
    assert_eq!(Program::start(&mut Program::command(folder.path())).stop().code(), Some(0));
    let mut on_six = up(&folder, &["--listen", "[::ffff:127.0.0.1]:0", "--log-format", "json"]);
    assert_eq!(Program::start(&mut on_six).stop().code(), Some(0));
    check_refused(&folder);
}

#[test]
fn a_restored_backup_has_the_mark() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(&folder);
    let drawn = demo.passwords();
    let backed_up = run_my_pay(folder.path(), &["admin", "backup", "kept", "--data-dir", "data"]);
    assert_eq!(backed_up.code(), Some(0), "{backed_up:?}");
    demo.stop();
    fs::remove_dir_all(folder.path().join("data")).unwrap();
    let restored = run_my_pay(folder.path(), &["admin", "restore", "kept", "--data-dir", "data"]);
    assert_eq!(restored.code(), Some(0), "{restored:?}");
    check_refused(&folder);
    // The file with the secrets is in no backup: there are new ones.
    let again = Demo::start(&folder);
    assert_ne!(again.passwords(), drawn);
    assert_eq!(again.send()["balance"], 97_000);
    again.stop();
    check_refused(&folder);
}

#[test]
fn a_first_start_that_was_interrupted_has_left_the_mark() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Program::start(&mut Demo::command(&folder));
    demo.process.kill();
    drop(demo);
    check_refused(&folder);
}

#[tokio::test]
async fn it_is_not_started_where_people_are() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(&mut Program::command(folder.path()));
    Person::register(program.client(), "Ann").await;
    assert_eq!(program.stop().code(), Some(0));
    expect![[r#"
        my-pay: the data directory data has accounts that the demonstration did not
            make: start --demo with another one (--data-dir)
    "#]]
    .assert_eq(&refusal(&mut up(&folder, &["--demo", "--listen", "127.0.0.1:0"])));
    assert!(!file(&folder).exists());
    // And is no demonstration's since then.
    let mut everywhere = up(&folder, &["--listen", "0.0.0.0:0", "--log-format", "json"]);
    assert_eq!(Program::start(&mut everywhere).stop().code(), Some(0));
}
