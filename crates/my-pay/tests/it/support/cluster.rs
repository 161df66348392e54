//! The services apart: real processes of the program, several of each, on a MariaDB and a Redis of
//! their own. Everything is on free ports and ends with the value, by process id.

use std::{net::SocketAddr, process::Command, time::Duration};

use money::store::audit::AuditReport;
use rustix::process::Signal;
use service::store::mysql;
use tempfile::TempDir;
use testing::{MariaDb, Redis, reserve_port};

use super::{
    Client, eventually,
    process::{Ended, PATIENCE, Process, Program, my_pay},
};

/// How many processes of each service.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub gateways: usize,
    pub accounts: usize,
    pub moneys: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self { gateways: 1, accounts: 2, moneys: 3 }
    }
}

/// All of it, running.
pub struct Cluster {
    // Ended in this order: the services before what they need.
    pub gateways: Vec<Node>,
    pub moneys: Vec<Node>,
    pub accounts: Vec<Node>,
    pub redis: Redis,
    pub mariadb: MariaDb,
    settings: Settings,
}

/// One process of the program, which can be ended and started again at the same address.
pub struct Node {
    /// Such as `money 2`.
    pub name: String,
    pub address: SocketAddr,
    command: Command,
    program: Option<Program>,
}

/// What the processes are started with.
struct Settings {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// The key by which all processes know each other: 32 bytes, which nobody else has to guess.
pub const IDENTITY_KEY: &str = "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Schemas of the two services.
const SCHEMAS: [&str; 2] = ["account", "money"];

/// How soon a started or restarted set must be ready.
const READY: Duration = PATIENCE;

impl Cluster {
    /// One gateway, two account services, three money services.
    pub async fn start() -> Self {
        Self::start_with(Shape::default(), &[]).await
    }

    /// Another number of processes, with further variables for all of them.
    pub async fn start_with(shape: Shape, variables: &[(&str, &str)]) -> Self {
        Self::start_on(MariaDb::start(), shape, variables).await
    }

    /// The same on a database server that the test has started.
    pub async fn start_on(mariadb: MariaDb, shape: Shape, variables: &[(&str, &str)]) -> Self {
        for schema in SCHEMAS {
            mariadb.create_database(schema);
        }
        let redis = Redis::start();
        let mut settings = Settings::new(&mariadb, &redis, variables);
        // Each of the two services asks the other: one must be known before it starts.
        let ports: Vec<_> = (0..shape.moneys).map(|_| reserve_port()).collect();
        let moneys = ports.iter().map(|port| port.local_addr().unwrap());
        let moneys: Vec<_> = moneys.map(|address| address.to_string()).collect();
        settings.add("MY_PAY_UPSTREAMS_MONEY", moneys.join(","));
        let start = |service: &str, count: usize, further: &[(&str, String)]| -> Vec<Node> {
            let start = |n| Node::start(&settings, (service, n), "127.0.0.1:0", further);
            (1..=count).map(start).collect()
        };
        let accounts = start("account", shape.accounts, &[]);
        let upstream = [("MY_PAY_UPSTREAMS_ACCOUNT", addresses(&accounts))];
        let moneys = (1..).zip(ports).map(|(n, port)| {
            let address = port.local_addr().unwrap().to_string();
            drop(port);
            Node::start(&settings, ("money", n), &address, &upstream)
        });
        let moneys = moneys.collect();
        let gateways = start("gateway", shape.gateways, &upstream);
        let cluster = Self { gateways, moneys, accounts, redis, mariadb, settings };
        cluster.wait_until_ready().await;
        cluster
    }

    /// A client of the first gateway.
    pub fn client(&self) -> Client {
        self.gateways[0].client()
    }

    /// Waits until every process that runs says that it is ready.
    pub async fn wait_until_ready(&self) {
        for node in self.nodes() {
            node.wait_until_ready().await;
        }
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.accounts.iter().chain(&self.moneys).chain(&self.gateways)
    }

    /// A command of the program with the settings that the services have.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.settings.command(arguments)
    }

    /// Whether the books add up, as they are now in the database.
    pub async fn audit(&self) -> AuditReport {
        let database = mysql::Database::new(&self.mariadb.url("money"), 1).unwrap();
        let report = money::store::mysql::audit(&database).await.unwrap();
        database.close().await;
        report
    }

    /// Stops the services as a service manager does, and audits the books.
    pub async fn stop(mut self) {
        let nodes = [&mut self.gateways, &mut self.moneys, &mut self.accounts];
        let programs = nodes.into_iter().flatten();
        let programs = programs.filter_map(|node| Some((&node.name, node.program.take()?)));
        let programs: Vec<_> = programs.collect();
        // Nothing is asked of them any more: they need not wait for one another.
        for (_, program) in &programs {
            program.process.signal(Signal::TERM);
        }
        for (name, program) in programs {
            let ended = program.process.wait(PATIENCE);
            assert_eq!(ended.code(), Some(0), "{name}: {ended:?}");
        }
        let report = self.audit().await;
        assert!(report.is_clean(), "{report}");
    }
}

impl Settings {
    fn new(mariadb: &MariaDb, redis: &Redis, further: &[(&str, &str)]) -> Self {
        let [account, money] = SCHEMAS.map(|schema| mariadb.url(schema));
        let redis = redis.url();
        let ours = [
            ("MY_PAY_LOG_FORMAT", "json"),
            ("MY_PAY_RATE_LIMIT", "off"),
            ("MY_PAY_MONEY_SELF_SERVICE_FUNDING", "true"),
            ("MY_PAY_ACCOUNT_PASSWORD_MEMORY_KIB", "64"),
            ("MY_PAY_ACCOUNT_PASSWORD_ITERATIONS", "1"),
            ("MY_PAY_ACCOUNT_PASSWORD_WAITING_MAX", "10000"),
            // Tests that each send thousands of requests at once share the gateway.
            ("MY_PAY_GATEWAY_REQUESTS_IN_FLIGHT_MAX", "20000"),
            // Not optimised, such a gateway may take seconds to get to an answer that is there.
            ("MY_PAY_GATEWAY_INTROSPECTION_TIMEOUT_MS", "20000"),
            ("MY_PAY_ACCOUNT_DATABASE_URL", &account),
            ("MY_PAY_MONEY_DATABASE_URL", &money),
            ("MY_PAY_REDIS_URL", &redis),
            ("MY_PAY_IDENTITY_KEYS", IDENTITY_KEY),
        ];
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables = ours.iter().chain(further).map(owned).collect();
        Self { folder: tempfile::tempdir().unwrap(), variables }
    }

    fn add(&mut self, name: &str, value: String) {
        self.variables.push((name.to_owned(), value));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = my_pay(self.folder.path(), arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Node {
    /// Starts the service with this number, and waits until it listens.
    fn start(
        settings: &Settings,
        (service, number): (&str, usize),
        listen: &str,
        further: &[(&str, String)],
    ) -> Self {
        let command = |listen: &str| {
            let mut command = settings.command(&[service, "--listen", listen]);
            command.envs(further.iter().map(|(name, value)| (name, value)));
            command
        };
        let program = Program::start(&mut command(listen));
        let address = program.address;
        let name = format!("{service} {number}");
        Self { name, address, command: command(&address.to_string()), program: Some(program) }
    }

    /// A client of this process, past the gateway if it is not one.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.program.as_ref().expect("it runs").process
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.running().process.kill();
        self.program = None;
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(&mut self) -> Ended {
        self.program.take().expect("it runs").stop()
    }

    /// Waits until it has ended by itself.
    pub fn wait_for_end(&mut self) -> Ended {
        self.program.take().expect("it runs").process.wait(PATIENCE)
    }

    /// Starts it again at its address.
    pub fn start_again(&mut self) {
        assert!(self.program.is_none(), "{} still runs", self.name);
        self.program = Some(Program::start(&mut self.command));
    }

    /// SIGSTOP: it keeps its connections and says nothing more.
    pub fn suspend(&mut self) {
        self.running().process.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.running().process.signal(Signal::CONT);
    }

    fn running(&mut self) -> &mut Program {
        self.program.as_mut().expect("it runs")
    }

    /// Waits until it says that it is ready.
    pub async fn wait_until_ready(&self) {
        let client = self.client();
        eventually(READY, async || {
            let call = client.get("/readyz");
            let answer = tokio::time::timeout(PATIENCE, call.exchange()).await;
            matches!(answer, Ok(Ok(answer)) if answer.status == 200)
        })
        .await;
    }
}

fn addresses(nodes: &[Node]) -> String {
    nodes.iter().map(|node| node.address.to_string()).collect::<Vec<_>>().join(",")
}
