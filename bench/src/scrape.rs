//! What being watched costs: transfers while nobody reads the metrics, and while they are read each
//! second, five times as often as Prometheus does in the stack, in turns in one run.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    Settings, client,
    load::Load,
    say,
    serve::{self, Launch},
};

/// How often metrics are read.
const INTERVAL: Duration = Duration::from_secs(1);

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let operations = free_address().await?;
    let listen = ("MY_PAY_SERVER_OPERATIONS_LISTEN".to_owned(), operations.to_string());
    let launch = Launch { variables: vec![listen], ..Launch::default() };
    let product = serve::Process::launch(folder.path(), settings, &launch).await?;
    let duration = Duration::from_secs(settings.seconds);
    client::run(&product, Load::Uniform, settings, duration).await?;
    let mut ratios = Vec::new();
    for round in 1..=settings.rounds {
        // Each turn begins with the other one, so that neither always has the warmer machine.
        let mut rates = [0.0; 2];
        let turns = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for is_watched in turns {
            let scraper = (is_watched == 1).then(|| tokio::spawn(scrape(operations)));
            let measured = client::run(&product, Load::Uniform, settings, duration).await?;
            if let Some(scraper) = scraper {
                anyhow::ensure!(!scraper.is_finished(), "metrics cannot be read");
                scraper.abort();
            }
            rates[is_watched] = measured.per_second;
        }
        let ratio = rates[1] / rates[0];
        say(&format!(
            "round {round}: alone {:.0}/s, watched {:.0}/s: {ratio:.3}",
            rates[0], rates[1]
        ));
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).context("there was no round")?;
    say(&format!("transfers while watched, as a share of those while not: median {median:.3}"));
    product.stop().await
}

async fn scrape(address: SocketAddr) -> anyhow::Result<()> {
    loop {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
        let mut page = String::new();
        stream.read_to_string(&mut page).await?;
        anyhow::ensure!(page.ends_with("# EOF\n"), "the page of metrics is not whole");
        tokio::time::sleep(INTERVAL).await;
    }
}

/// An address that was free a moment ago.
async fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}
