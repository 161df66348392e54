//! The load generator: closed loops over keep-alive connections, as cheap as can be, because it
//! shares the machine with what it measures. Every answer's status is checked.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{Settings, load::Load, serve::Process};

/// What was measured.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) requests: usize,
    pub(crate) per_second: f64,
    p50: Duration,
    p99: Duration,
    max: Duration,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |duration: Duration| duration.as_secs_f64() * 1_000.0;
        write!(
            f,
            "{:.0}/s, p50 {:.1} ms, p99 {:.1} ms, max {:.0} ms",
            self.per_second,
            ms(self.p50),
            ms(self.p99),
            ms(self.max)
        )
    }
}

/// Sends for `duration` over all connections.
pub(crate) async fn run(
    product: &Process,
    load: Load,
    settings: &Settings,
    duration: Duration,
) -> anyhow::Result<Measured> {
    let mut connections = JoinSet::new();
    let started = Instant::now();
    let end = started + duration;
    for number in 0..settings.connections {
        let connection = Connection::open(product, load, number).await?;
        connections.spawn(connection.run(end));
    }
    let mut latencies = Vec::new();
    while let Some(finished) = connections.join_next().await {
        latencies.extend(finished??);
    }
    let elapsed = started.elapsed();
    latencies.sort_unstable();
    anyhow::ensure!(!latencies.is_empty(), "nothing was answered");
    let at = |percent: usize| {
        Duration::from_micros(u64::from(latencies[(latencies.len() - 1) * percent / 100]))
    };
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are exact in a double")]
    let per_second = latencies.len() as f64 / elapsed.as_secs_f64();
    Ok(Measured { requests: latencies.len(), per_second, p50: at(50), p99: at(99), max: at(100) })
}

struct Connection {
    stream: TcpStream,
    load: Load,
    population: Arc<crate::serve::Population>,
    random: Random,
}

impl Connection {
    async fn open(product: &Process, load: Load, number: usize) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(product.address).await?;
        stream.set_nodelay(true)?;
        let seed = u64::try_from(number).expect("connections are few") + 1;
        let random = Random(seed ^ u64::from(std::process::id()) << 32 ^ load as u64);
        Ok(Self { stream, load, population: Arc::clone(&product.population), random })
    }

    /// Microseconds of every answer.
    async fn run(mut self, end: Instant) -> anyhow::Result<Vec<u32>> {
        let mut latencies = Vec::with_capacity(1 << 12);
        let mut request = String::with_capacity(512);
        let mut answer = Vec::with_capacity(2_048);
        loop {
            let started = Instant::now();
            if started >= end {
                return Ok(latencies);
            }
            self.write_request(&mut request);
            self.stream.write_all(request.as_bytes()).await?;
            self.read_answer(&mut answer).await?;
            latencies.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }

    fn write_request(&mut self, request: &mut String) {
        let population = Arc::clone(&self.population);
        let sender = &population.senders[self.random.below(population.senders.len())];
        let mut receiver = population.wallets[0];
        if self.load != Load::OneWallet {
            receiver = population.wallets[self.random.below(population.wallets.len())];
        }
        while receiver == sender.wallet_id {
            receiver = population.wallets[self.random.below(population.wallets.len())];
        }
        self.load.write(request, sender, receiver, self.random.next_wide());
    }

    async fn read_answer(&mut self, answer: &mut Vec<u8>) -> anyhow::Result<()> {
        answer.clear();
        loop {
            if self.stream.read_buf(answer).await? == 0 {
                bail!("the connection was closed");
            }
            let Some(head_length) = find(answer, b"\r\n\r\n").map(|at| at + 4) else { continue };
            let head = &answer[..head_length];
            let length = content_length(head).context("an answer has no content-length")?;
            if answer.len() < head_length + length {
                continue;
            }
            if answer.get(9..12) != Some(self.load.status().as_slice()) {
                bail!("unexpected answer: {}", String::from_utf8_lossy(answer));
            }
            return Ok(());
        }
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let name = b"content-length: ";
    let start = find(head, name)? + name.len();
    let digits = head[start..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0')))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Marsaglia's xorshift64* (2003): who sends to whom needs speed, not secrecy.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn next_wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    fn below(&mut self, bound: usize) -> usize {
        let wide = u128::from(self.next()) * bound as u128;
        usize::try_from(wide >> 64).expect("less than the bound")
    }
}
