//! `my-pay health`: asks a service how it is, for supervisors that can only run a command, and for
//! images that have no shell.

use std::time::Duration;

use axum::http::Uri;

use crate::client::Client;

/// Longer than a healthy service ever takes, shorter than supervisors wait.
const LIMIT: Duration = Duration::from_secs(2);

/// Succeeds if the service at `url`, such as `http://127.0.0.1:8080/readyz`, answers 2xx.
pub async fn check(url: &Uri) -> anyhow::Result<()> {
    anyhow::ensure!(
        url.scheme_str() == Some("http") && url.host().is_some(),
        "`{url}` is not a URL such as http://127.0.0.1:8080/readyz"
    );
    let answer = Client::new(LIMIT).get(url).await?;
    let text = String::from_utf8_lossy(&answer.body);
    anyhow::ensure!(answer.status.is_success(), "{url} answered {}: {text}", answer.status);
    Ok(())
}
