//! The files of the embedded databases: for their owner only, both there or neither, and watched
//! while they are in use.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use expect_test::expect;
use rusqlite::Connection;
use rustix::process::Signal;

use super::refusal;
use crate::support::{
    Person,
    cluster::IDENTITY_KEY,
    process::{Ended, PATIENCE, Program, my_pay},
};

const UP: [&str; 5] = ["up", "--listen", "127.0.0.1:0", "--data-dir", "data"];

/// How soon an operator must learn what happened to a file. Twice what is promised, on a machine
/// that does other things as well.
const SOON: Duration = Duration::from_secs(4);

/// A service apart with its data in `data/NAME.db`.
fn apart(folder: &Path, service: &str) -> Command {
    let url = format!("sqlite:data/{service}.db");
    let mut command = my_pay(folder, &[service, "--listen", "127.0.0.1:0"]);
    command.args(["--database-url", &url, "--log-format", "json"]);
    command.env("MY_PAY_IDENTITY_KEYS", IDENTITY_KEY);
    // Nothing listens there.
    command.env("MY_PAY_UPSTREAMS_ACCOUNT", "127.0.0.1:9");
    command.env("MY_PAY_UPSTREAMS_MONEY", "127.0.0.1:9");
    command
}

/// The same command with a umask under which nothing is for the owner, or everything for all.
fn with_umask(umask: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.env_clear().current_dir(command.get_current_dir().unwrap());
    shell.env("PATH", std::env::var_os("PATH").unwrap());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

/// The modes of a folder and of all files in it.
fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut modes: Vec<_> = files.map(|path| (name(&path), mode(&path))).collect();
    modes.push((".".to_owned(), mode(folder)));
    modes.sort();
    modes
}

fn check_private(folder: &Path, names: &[&str]) {
    let expected =
        names.iter().map(|&name| (name.to_owned(), if name == "." { 0o700 } else { 0o600 }));
    assert_eq!(modes(&folder.join("data")), expected.collect::<Vec<_>>());
}

const FILES_OF_UP: [&str; 8] = [
    ".",
    "account.db",
    "account.db-shm",
    "account.db-wal",
    "lock",
    "money.db",
    "money.db-shm",
    "money.db-wal",
];

#[test]
fn every_file_is_for_its_owner_only_whatever_the_umask() {
    for umask in ["0", "022", "0377"] {
        let folder = tempfile::tempdir().unwrap();
        let command = Program::command(folder.path());
        let program = Program::start(&mut with_umask(umask, &command));
        check_private(folder.path(), &FILES_OF_UP);
        assert_eq!(program.stop().code(), Some(0));
        for service in ["account", "money"] {
            let folder = tempfile::tempdir().unwrap();
            let mut command = with_umask(umask, &apart(folder.path(), service));
            let program = Program::start(&mut command);
            let name = |suffix: &str| format!("{service}.db{suffix}");
            let mut names = vec![".".to_owned(), "lock".to_owned()];
            names.extend(["", "-shm", "-wal", ".lock"].map(name));
            names.sort();
            check_private(folder.path(), &names.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(program.stop().code(), Some(0));
        }
    }
}

#[test]
fn wider_modes_of_before_are_narrowed_and_a_wide_folder_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(&mut Program::command(folder.path()));
    program.process.kill();
    let data = folder.path().join("data");
    for entry in fs::read_dir(&data).unwrap() {
        fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o644)).unwrap();
    }
    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    let program = Program::start(&mut Program::command(folder.path()));
    let log = program.process.lines.concat();
    assert!(modes(&data).iter().all(|(name, mode)| name == "." || *mode == 0o600));
    assert_eq!(program.stop().code(), Some(0));
    for file in ["lock", "account.db", "account.db-wal", "money.db", "money.db-shm"] {
        assert!(log.contains(&format!(r#""file":"data/{file}","mode.before":"0644""#)), "{log}");
    }
    assert!(log.contains(r#""folder":"data","mode":"0755""#), "{log}");
}

#[test]
fn a_start_says_what_it_makes() {
    let folder = tempfile::tempdir().unwrap();
    let made = |program: Program| {
        let log = program.process.lines.concat();
        assert_eq!(program.stop().code(), Some(0));
        let new = log.lines().filter(|line| line.contains("is made"));
        new.filter(|line| line.contains("WARN")).count()
    };
    assert_eq!(made(Program::start(&mut Program::command(folder.path()))), 3, "folder and files");
    assert_eq!(made(Program::start(&mut Program::command(folder.path()))), 0);
}

#[tokio::test]
async fn one_of_two_databases_is_refused_unless_it_is_a_first_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    Program::start(&mut Program::command(folder.path())).stop();
    // Interrupted between the two, before anybody could register.
    fs::remove_file(data.join("money.db")).unwrap();
    let program = Program::start(&mut Program::command(folder.path()));
    Person::register(program.client(), "Ann").await;
    assert_eq!(program.stop().code(), Some(0));

    for name in ["money.db", "account.db"] {
        let kept = data.join("kept");
        fs::rename(data.join(name), &kept).unwrap();
        for leave in [fs::remove_file as fn(_) -> _, |path| fs::write(path, "")] {
            let said = refusal(&mut my_pay(folder.path(), &UP));
            expect![[r#"
                my-pay: data/NAME is missing, although the data directory is not new: put
                    both databases of one backup there (`my-pay admin restore`)
            "#]]
            .assert_eq(&said.replace(
                &format!("data/{name} is missing, although"),
                "data/NAME is missing, although",
            ));
            let _may_be_missing: io::Result<()> = leave(data.join(name));
        }
        fs::rename(&kept, data.join(name)).unwrap();
    }
    assert_eq!(Program::start(&mut Program::command(folder.path())).stop().code(), Some(0));
}

#[test]
fn a_log_without_its_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(&mut Program::command(folder.path()));
    program.process.kill();
    for name in ["account.db", "money.db"] {
        fs::remove_file(folder.path().join("data").join(name)).unwrap();
    }
    let said = refusal(&mut my_pay(folder.path(), &UP));
    assert!(said.contains("the database itself is missing or empty"), "{said}");
}

/// Does something to the files of the running program, which must notice and end.
fn check_ends(program: &Program, deed: impl FnOnce() -> io::Result<()>) -> Instant {
    assert_eq!(program.address.ip().to_string(), "127.0.0.1");
    deed().unwrap();
    Instant::now()
}

fn check_ended(began: Instant, program: Program, what: &str) {
    let Ended { status, stdout, .. } = program.process.wait(PATIENCE);
    let took = began.elapsed();
    assert_eq!(status.code(), Some(1), "{stdout}");
    let reason = stdout.lines().find(|line| line.contains("cannot keep its promises"));
    let reason = reason.unwrap_or_else(|| panic!("nothing is said: {stdout}"));
    assert!(reason.contains(&format!("{what} is in use and ")), "{reason}");
    assert!(took < SOON, "{what}: {took:?}");
}

type Deed = fn(&Path) -> io::Result<()>;

/// What may happen to the file of a service under a running program, and which file is named.
const DEEDS: [(&str, Deed); 7] = [
    ("money.db", |data| fs::rename(data.join("copy.db"), data.join("money.db"))),
    ("money.db", |data| fs::copy(data.join("copy.db"), data.join("money.db")).map(|_bytes| ())),
    ("money.db", |data| fs::remove_file(data.join("money.db"))),
    ("money.db", |data| fs::rename(data.join("money.db"), data.join("moved.db"))),
    ("money.db-wal", |data| fs::remove_file(data.join("money.db-wal"))),
    ("lock", |data| fs::rename(data, data.with_file_name("moved"))),
    ("lock", |data| fs::remove_dir_all(data)),
];

#[tokio::test]
async fn whatever_happens_to_its_files_the_program_notices_and_ends() {
    for (what, deed) in DEEDS {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        Program::start(&mut Program::command(folder.path())).stop();
        fs::copy(data.join("money.db"), data.join("copy.db")).unwrap();
        let program = Program::start(&mut Program::command(folder.path()));
        let ann = Person::register(program.client(), "Ann").await.with_wallet().await;
        for _ in 0..50 {
            ann.deposit(1).await;
        }
        // As the program itself does once its log is long enough.
        let beside = Connection::open(data.join("money.db")).unwrap();
        beside.execute_batch("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
        tokio::time::sleep(Duration::from_millis(600)).await;
        let began = check_ends(&program, || deed(&data));
        check_ended(began, program, &format!("data/{what}"));
        drop(beside);
    }
}

#[tokio::test]
async fn services_apart_notice_it_too_and_answer_503_until_they_end() {
    for service in ["account", "money"] {
        for (what, deed) in [
            ("", (|file| fs::remove_file(file)) as Deed),
            ("", |file| fs::rename(file.with_extension("copy"), file)),
            (".lock", |file| fs::remove_file(file.with_extension("db.lock"))),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join(format!("data/{service}.db"));
            let mut command = apart(folder.path(), service);
            command.env("MY_PAY_SERVER_DRAIN_DELAY_MS", "1000");
            let program = Program::start(&mut command);
            fs::copy(&file, file.with_extension("copy")).unwrap();
            let client = program.client();
            assert_eq!(client.get("/readyz").exchange().await.unwrap().status, 200);
            let began = check_ends(&program, || deed(&file));
            loop {
                let Ok(answer) = client.get("/readyz").exchange().await else { break };
                if answer.status == 503 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            check_ended(began, program, &format!("data/{service}.db{what}"));
        }
    }
}

#[test]
fn an_ordinary_stop_is_no_accident() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(&mut Program::command(folder.path()));
    program.process.signal(Signal::TERM);
    let ended = program.process.wait(PATIENCE);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(!ended.stdout.contains("in use"), "{}", ended.stdout);
}
