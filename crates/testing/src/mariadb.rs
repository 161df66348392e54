//! A private MariaDB. Root has no password; the client program speaks to it for what tests prepare.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::server::Server;

/// Where packages put the statements that make a fresh data folder.
const SHARES: &[&str] = &[
    "/usr/share/mysql",
    "/usr/share/mariadb",
    "/usr/local/share/mysql",
    "/usr/local/share/mariadb",
    "/opt/homebrew/share/mysql",
];

/// Small files and little memory, so that starting is cheap. Durability is as in production.
const SMALL: &[&str] = &[
    "--innodb-log-file-size=16M",
    "--innodb-autoextend-increment=1",
    "--innodb-data-file-path=ibdata1:4M:autoextend",
    "--innodb-temp-data-file-path=ibtmp1:4M:autoextend",
];

/// A private MariaDB, ended when the value is dropped.
#[derive(Debug)]
pub struct MariaDb {
    server: Server,
    databases: AtomicU32,
}

impl MariaDb {
    /// Starts one with a fresh data folder.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with further arguments of the server, such as `--max-connections=8`.
    pub fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("my-pay-mariadb-").tempdir();
        let folder = folder.expect("a temporary folder can be made");
        let data = folder.path().join("data");
        bootstrap(&data);
        let socket = folder.path().join("socket");
        let make_arguments = |address: SocketAddr| {
            let mut all = common_arguments(&data);
            all.extend(
                ["--skip-name-resolve", "--skip-log-bin", "--innodb-buffer-pool-size=64M"]
                    .map(str::to_owned),
            );
            all.push(format!("--bind-address={}", address.ip()));
            all.push(format!("--port={}", address.port()));
            all.push(format!("--socket={}", socket.display()));
            all.push(format!("--pid-file={}", data.join("pid").display()));
            all.extend(arguments.iter().map(|&argument| argument.to_owned()));
            all
        };
        let server = Server::start("mariadbd", folder, greets, make_arguments);
        Self { server, databases: AtomicU32::new(0) }
    }

    /// One for the whole test process. Let every test use a [`MariaDb::fresh_database`] of its own,
    /// and disturb the server itself in none.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<MariaDb> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The address of a database in it, for root.
    pub fn url(&self, database: &str) -> String {
        self.url_for("root", "", database)
    }

    /// The same for another user, whose name and password need no escapes.
    pub fn url_for(&self, user: &str, password: &str, database: &str) -> String {
        format!("mysql://{user}:{password}@{}/{database}", self.address())
    }

    /// Makes a user without a password who may do everything in this database. Unlike root, who may
    /// write to a server that is `read_only`.
    pub fn create_user(&self, name: &str, database: &str) {
        self.execute(&format!(
            "CREATE USER IF NOT EXISTS {name}; GRANT ALL ON {database}.* TO {name}"
        ));
    }

    /// Makes it refuse writes, as a server that is no longer the primary does; or takes that back.
    pub fn set_read_only(&self, is_read_only: bool) {
        self.execute(&format!("SET GLOBAL read_only = {}", u8::from(is_read_only)));
    }

    /// Makes a database, with text compared byte by byte.
    pub fn create_database(&self, name: &str) {
        let charset = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
        self.execute(&format!("CREATE DATABASE `{name}` {charset}"));
    }

    /// Makes a database of a new name, and returns the name.
    pub fn fresh_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.create_database(&name);
        name
    }

    /// Runs statements as root, and returns the rows: lines of columns with tabs between them.
    pub fn execute(&self, statements: &str) -> String {
        let output = Command::new("mariadb")
            .args(["--no-defaults", "--batch", "--skip-column-names", "--user=root"])
            .arg(format!("--socket={}", self.server.socket().display()))
            .arg("--execute")
            .arg(statements)
            .stdin(Stdio::null())
            .output()
            .expect("the client is installed with the server");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{statements}` failed: {complaint}");
        String::from_utf8(output.stdout).expect("tests ask for text")
    }

    /// Runs statements as root in a session that stays, with what it has locked, until the value is
    /// dropped. Returns when they are done.
    pub fn hold(&self, statements: &str) -> Session {
        let mut client = Command::new("mariadb")
            .args(["--no-defaults", "--batch", "--skip-column-names", "--unbuffered"])
            .arg("--user=root")
            .arg(format!("--socket={}", self.server.socket().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the client is installed with the server");
        let mut input = client.stdin.take().expect("it is a pipe");
        writeln!(input, "{statements}; SELECT 'held';").expect("the client reads");
        let output = client.stdout.take().expect("it is a pipe");
        let mut lines = BufReader::new(output).lines();
        let is_held = lines.any(|line| line.is_ok_and(|line| line == "held"));
        assert!(is_held, "`{statements}` failed");
        Session { client, _input: input }
    }

    /// Ends it at once, as a crash would. Data that it had flushed is there after a restart.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Freezes it: connections stay open, and nothing answers.
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Undoes [`MariaDb::stop`].
    pub fn resume(&self) {
        self.server.resume();
    }

    /// Ends it at once, if it runs, and starts it on the same port and data.
    pub fn restart(&mut self) {
        self.server.restart();
    }
}

/// A session of a server, open until it is dropped.
#[derive(Debug)]
pub struct Session {
    client: Child,
    // The client ends with its input.
    _input: ChildStdin,
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended with the server, which is as good.
        let _ended = self.client.kill();
        let _reaped = self.client.wait();
    }
}

fn common_arguments(data: &Path) -> Vec<String> {
    // A starting server removes other servers' temporary files from a folder that it shares.
    let temporary = data.with_extension("tmp");
    fs::create_dir_all(&temporary).expect("the folder is our own");
    let mut arguments = vec![
        "--no-defaults".to_owned(),
        format!("--datadir={}", data.display()),
        format!("--tmpdir={}", temporary.display()),
    ];
    arguments.extend(SMALL.iter().map(|&argument| argument.to_owned()));
    if rustix::process::geteuid().is_root() {
        arguments.push("--user=root".to_owned());
    }
    arguments
}

/// Makes a data folder with the system tables alone. The installer's other tables cost more time
/// than all of these, and so does waiting for the disk.
fn bootstrap(data: &Path) {
    fs::create_dir(data).expect("the folder is our own");
    let mut statements =
        "create database mysql;\nuse mysql;\nset @auth_root_socket = null;\n".to_owned();
    for name in ["mysql_system_tables.sql", "mysql_system_tables_data.sql"] {
        let path = share(name);
        let text = fs::read_to_string(&path);
        let text = text.unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        writeln!(statements, "{text}").expect("a string takes everything");
    }
    let input = data.with_extension("sql");
    fs::write(&input, statements).expect("the folder is our own");
    let output = Command::new("mariadbd")
        .args(common_arguments(data))
        .args(["--bootstrap", "--silent-startup", "--innodb-buffer-pool-size=8M"])
        .args(["--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=0"])
        .stdin(File::open(&input).expect("it was written above"))
        .output()
        .unwrap_or_else(|error| panic!("mariadbd must be installed: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the data folder cannot be made: {complaint}");
}

fn share(name: &str) -> PathBuf {
    let mut paths = SHARES.iter().map(|share| Path::new(share).join(name));
    paths.find(|path| path.exists()).unwrap_or_else(|| panic!("no MariaDB here brings {name}"))
}

/// A server that is ready speaks first. Its greeting starts with the protocol's version, 10, after
/// the packet's header; an error packet, such as "too many connections", would start with 255.
fn greets(mut connection: UnixStream) -> bool {
    let mut start = [0; 5];
    connection.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
        && connection.read_exact(&mut start).is_ok()
        && start[4] == 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_data_survives_a_crash_and_databases_are_apart() {
        let mut db = MariaDb::start_with(&["--max-connections=12"]);
        assert_eq!(db.execute("select @@max_connections, @@port"), {
            format!("12\t{}\n", db.address().port())
        });
        let [first, second] = [db.fresh_database(), db.fresh_database()];
        assert_ne!(first, second);
        db.execute(&format!("create table {first}.a (x int); insert {first}.a values (7)"));
        let address = db.address();
        db.restart();
        assert_eq!(db.address(), address);
        assert_eq!(db.execute(&format!("select x from {first}.a")), "7\n");
        assert_eq!(db.execute("select @@innodb_flush_log_at_trx_commit"), "1\n");
    }

    #[test]
    fn a_frozen_server_answers_when_it_is_resumed() {
        let db = MariaDb::start();
        db.stop();
        let frozen = UnixStream::connect(db.server.socket()).is_ok_and(greets);
        db.resume();
        assert!(!frozen, "a frozen server must not greet");
        assert_eq!(db.execute("select 1"), "1\n");
    }
}
