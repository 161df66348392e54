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
    let mut ratios = Vec::new();
    for round in 1..=settings.rounds {
        // Neither always has the warmer machine.
        let turns = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        let mut rates = [0.0; 2];
        for turn in turns {
            let measured = client::run(&products[turn], Load::Uniform, settings, duration).await?;
            rates[turn] = measured.per_second;
        }
        let ratio = rates[1] / rates[0];
        say(&format!("round {round}: {:.0}/s, other {:.0}/s: {ratio:.3}", rates[0], rates[1]));
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    let at = |share: usize| ratios.get((ratios.len().saturating_sub(1)) * share / 4);
    let quartiles = (at(1), at(2), at(3));
    let (Some(low), Some(median), Some(high)) = quartiles else {
        anyhow::bail!("there was no round")
    };
    say(&format!(
        "transfers of the other one, as a share of the first one's: median {median:.3}, \
         quartiles {low:.3} and {high:.3}"
    ));
    for product in products {
        product.stop().await?;
    }
    Ok(())
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
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::ZERO,
        };
        let (stop, stopping) = shutdown::channel();
        let metrics = ListenerMetrics::default();
        tokio::spawn(server::serve(listener, routes, limits, metrics, stopping));
        Ok(Self { endpoint, _stop: stop })
    }
}
