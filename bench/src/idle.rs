//! Start and rest: how soon the program answers, and what it holds in memory when nobody asks
//! anything.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};

use crate::{say, serve::status_kib};

/// Where the program listens while it is measured.
const ADDRESS: &str = "127.0.0.1:18080";
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn measure() -> anyhow::Result<()> {
    let program = std::env::current_exe()?.with_file_name("my-pay");
    anyhow::ensure!(program.is_file(), "build the program first: cargo build --release");
    let folder = tempfile::tempdir()?;
    let started = Instant::now();
    let mut child = Command::new(program)
        .args(["up", "--listen", ADDRESS, "--data-dir"])
        .arg(folder.path().join("data"))
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    while !answers().await {
        anyhow::ensure!(started.elapsed() < PATIENCE, "no answer in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let first_answer = started.elapsed();
    // Rest, so that what the start left behind has settled.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let pid = child.id().context("the program is gone")?;
    let (now, peak) = (status_kib(pid, "VmRSS:")? / 1024.0, status_kib(pid, "VmHWM:")? / 1024.0);
    say(&format!("first answer {:.0} ms after start", first_answer.as_secs_f64() * 1_000.0));
    say(&format!("idle memory {now:.1} MiB, peak {peak:.1} MiB"));
    child.kill().await?;
    Ok(())
}

/// Whether the program serves: not only the port, but an answer from behind the gateway.
async fn answers() -> bool {
    let Ok(mut stream) = TcpStream::connect(ADDRESS).await else { return false };
    let request = b"GET /money/health/ping HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n";
    let mut answer = Vec::new();
    stream.write_all(request).await.is_ok()
        && stream.read_to_end(&mut answer).await.is_ok()
        && answer.starts_with(b"HTTP/1.1 200")
}
