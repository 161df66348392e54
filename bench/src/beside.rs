//! The product beside itself: with other settings, with traces, or as another build of it has it,
//! in turns in one run.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use axum::{Router, routing::post};
use service::{
    http::server::{self, Limits, ListenerMetrics},
    shutdown::{self, Trigger},
};
use tokio::net::TcpListener;

use crate::{
    Settings, client,
    load::Load,
    say,
    serve::{self, Launch},
};

/// What the other one has that the first one has not.
#[derive(Debug, clap::Args)]
pub(crate) struct Other {
    /// The benchmark of another build, which starts that build
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// A variable of it
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// The share of its requests that are traced, 0 to 1. A collector takes the spans and drops
    /// them
    #[arg(long, value_name = "RATIO")]
    traced: Option<f64>,
}

pub(crate) async fn measure(other: &Other, settings: &Settings) -> anyhow::Result<()> {
    anyhow::ensure!(settings.rounds > 0, "there must be a round");
    let collector = Collector::start().await?;
    let launches = [Launch::default(), other.launch(&collector)?];
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let [first, second] = &launches;
    let products = [
        serve::Process::launch(folders[0].path(), settings, first).await?,
        serve::Process::launch(folders[1].path(), settings, second).await?,
    ];
    let duration = Duration::from_secs(settings.seconds);
    for product in &products {
        client::run(product, Load::Uniform, settings, duration).await?;
    }
    let mut comparisons = [Vec::new(), Vec::new()];
    for round in 1..=settings.rounds {
        let mut turns = [Turns::default(); 2];
        // Each in the middle and at the ends: whoever comes first has an advantage.
        for which in [0, 1, 1, 0] {
            turns[which].take(&products[which], settings, duration).await?;
        }
        let rates = turns.map(|turns| turns.per_second(duration));
        let costs = turns.map(|turns| turns.processor_us());
        say(&format!(
            "round {round}: {:.0}/s beside {:.0}/s, {:.1} us of a processor beside {:.1} us",
            rates[0], rates[1], costs[0], costs[1]
        ));
        comparisons[0].push(rates[1] / rates[0]);
        comparisons[1].push(costs[1] / costs[0]);
    }
    for (what, ratios) in ["transfers", "processor time a transfer"].iter().zip(&mut comparisons) {
        ratios.sort_by(f64::total_cmp);
        let at = |quarter: usize| ratios[(ratios.len() - 1) * quarter / 4];
        say(&format!(
            "{what} of the other one, as a share of the first one's: median {:.3}, quartiles {:.3} \
             and {:.3}",
            at(2),
            at(1),
            at(3)
        ));
    }
    for product in products {
        product.stop().await?;
    }
    Ok(())
}

/// What one of them did in a round.
#[derive(Debug, Default, Clone, Copy)]
struct Turns {
    taken: u32,
    requests: f64,
    processor: Duration,
}

impl Turns {
    async fn take(
        &mut self,
        product: &serve::Process,
        settings: &Settings,
        duration: Duration,
    ) -> anyhow::Result<()> {
        let before = product.processor_time()?;
        let measured = client::run(product, Load::Uniform, settings, duration).await?;
        self.processor += product.processor_time()?.saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "requests are counted in millions")]
        let requests = measured.requests as f64;
        self.requests += requests;
        self.taken += 1;
        Ok(())
    }

    fn per_second(&self, duration: Duration) -> f64 {
        self.requests / (duration * self.taken).as_secs_f64()
    }

    fn processor_us(&self) -> f64 {
        self.processor.as_secs_f64() * 1e6 / self.requests
    }
}

impl Other {
    fn launch(&self, collector: &Collector) -> anyhow::Result<Launch> {
        let mut variables = Vec::new();
        for set in &self.set {
            let (name, value) = set.split_once('=').with_context(|| {
                format!("`{set}` is not a variable and its value, such as NAME=VALUE")
            })?;
            variables.push((name.to_owned(), value.to_owned()));
        }
        if let Some(ratio) = self.traced {
            let endpoint = collector.endpoint.clone();
            variables.push(("MY_PAY_TRACING_OTLP_ENDPOINT".to_owned(), endpoint));
            variables.push(("MY_PAY_TRACING_SAMPLING_RATIO".to_owned(), ratio.to_string()));
        }
        Ok(Launch { program: self.program.clone(), variables })
    }
}

/// Takes spans and drops them.
struct Collector {
    endpoint: String,
    _stop: Trigger,
}

impl Collector {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let routes = Router::new().route("/v1/traces", post(async || ()));
        let limits = Limits {
            connections_max: 10,
            head_timeout: Duration::from_mins(1),
            drain_timeout: Duration::ZERO,
            ..Limits::default()
        };
        let (stop, stopping) = shutdown::channel();
        let metrics = ListenerMetrics::default();
        tokio::spawn(server::serve(listener, routes, limits, metrics, stopping));
        Ok(Self { endpoint, _stop: stop })
    }
}
