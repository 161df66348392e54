//! The signals by which a process is told to end: SIGTERM, as service managers send it, and SIGINT,
//! as Ctrl-C does. A thread of its own receives them, so that they count at any moment, whatever
//! the other threads are blocked by; it also says what a slow start waits for.

use std::{
    fmt,
    future::{pending, poll_fn},
    io,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use anyhow::Context;
use service::waiting::{self, Wait};
use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{Instant, interval, sleep_until},
};

use crate::output;

/// How long a start or a command may take to end in order after a signal. Then it ends at once.
const ORDERLY_END_MAX: Duration = Duration::from_millis(1_500);

/// How long a stop may take beyond what its settings allow for requests in flight.
const STOP_MARGIN: Duration = Duration::from_millis(1_500);

/// How long something is waited for before the operator is told, at first and then again.
const TELL_AFTER: Duration = Duration::from_secs(1);
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// How often to look for that.
const TICK: Duration = Duration::from_millis(200);

/// The exit code after a second signal.
const AT_ONCE: i32 = 130;

/// The signals of the process. Until this was made, they end it as they end any program.
#[derive(Debug)]
pub struct Signals {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// The first signal, and when it came.
    told: Option<(Told, Instant)>,
    phase: Phase,
    is_service: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A command is at work, or a service is starting.
    Working,
    /// A service serves. The first signal begins a stop.
    Serving,
    /// A service stops.
    Stopping { until: Instant },
}

/// A signal that told the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Terminate,
    Interrupt,
}

/// A signal ended a start or a command before it was done.
#[derive(Debug)]
pub struct Interrupted {
    told: Told,
    waited_for: Option<String>,
    is_service: bool,
}

impl Interrupted {
    /// What the process ends with. A service that was told to end has done so; a command has not
    /// done its work, and ends with 128 and the number of the signal, as shells have it.
    pub fn exit_code(&self) -> u8 {
        match self.told {
            _ if self.is_service => 0,
            Told::Terminate => 128 + 15,
            Told::Interrupt => 128 + 2,
        }
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signal = match self.told {
            Told::Terminate => "SIGTERM",
            Told::Interrupt => "SIGINT",
        };
        let work = if self.is_service { "the start" } else { "the command" };
        write!(f, "{signal} ended {work}")?;
        match &self.waited_for {
            Some(what) => write!(f, " while it was waiting for {what}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Interrupted {}

impl Signals {
    /// From now on the process is not ended by signals, but told. `is_service` is whether it will
    /// serve until it is told to end.
    pub fn listen(is_service: bool) -> io::Result<Self> {
        let state = State { told: None, phase: Phase::Working, is_service };
        let state = Arc::new(watch::Sender::new(state));
        let watched = Arc::clone(&state);
        let (started, is_started) = mpsc::channel();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let Some(runtime) = runtime.map_err(|error| started.send(Err(error))).ok() else {
                return;
            };
            runtime.block_on(async {
                match Sources::listen() {
                    Ok(sources) => {
                        if started.send(Ok(())).is_ok() {
                            supervise(sources, &watched).await;
                        }
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
            });
        })?;
        is_started.recv().map_err(|_| io::Error::other("the thread of the signals ended"))??;
        Ok(Self { state })
    }

    /// Runs `work`, a command or the start of a service, until it is done or a signal comes. The
    /// work may block its thread.
    pub async fn unless_told<T: Send + 'static>(
        &self,
        work: impl Future<Output = anyhow::Result<T>> + Send + 'static,
    ) -> anyhow::Result<T> {
        let mut work = tokio::spawn(work);
        tokio::select! {
            biased;
            told = self.told() => {
                let waited_for = waiting::newest().map(|wait| wait.what);
                work.abort();
                // It may be done by now: a service that has begun to answer stops in order.
                match work.await {
                    Err(error) if error.is_cancelled() => {
                        let is_service = self.state.borrow().is_service;
                        Err(Interrupted { told, waited_for, is_service }.into())
                    }
                    done => done.context("the work panicked")?,
                }
            }
            done = &mut work => done.context("the work panicked")?,
        }
    }

    /// Says that the start is done. A signal, also one that came in this moment, begins a stop.
    pub fn serve(&self) {
        self.state.send_modify(|state| state.phase = Phase::Serving);
    }

    /// Waits for the first signal or for `failure`, and returns the failure if that was it. A
    /// second signal ends the process at once.
    pub async fn wait_or<T>(&self, failure: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            _ = self.told() => None,
            failed = failure => Some(failed),
        }
    }

    /// Says that the stop has begun, and may take `limit` by its settings. A stop that takes longer
    /// than that and a margin ends at once: what was answered is on disk.
    pub fn stop_within(&self, limit: Duration) {
        let until = Instant::now() + limit + STOP_MARGIN;
        self.state.send_modify(|state| state.phase = Phase::Stopping { until });
    }

    async fn told(&self) -> Told {
        let mut state = self.state.subscribe();
        match state.wait_for(|state| state.told.is_some()).await.map(|state| state.told) {
            Ok(Some((told, _))) => told,
            // The state outlives this borrow of its owner.
            Ok(None) | Err(_) => pending().await,
        }
    }
}

/// Where signals come from.
struct Sources {
    terminate: Signal,
    interrupt: Signal,
}

impl Sources {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Told {
        poll_fn(|context| {
            if self.terminate.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(Told::Terminate);
            }
            self.interrupt.poll_recv(context).map(|_| Told::Interrupt)
        })
        .await
    }
}

/// Ends the process at once after a second signal, or when its end takes too long. Until then, says
/// what a start or a command waits for.
async fn supervise(mut sources: Sources, state: &watch::Sender<State>) {
    let mut changes = state.subscribe();
    let mut tick = interval(TICK);
    let mut teller = Teller::default();
    loop {
        let State { told, phase, .. } = *state.borrow();
        tokio::select! {
            next = sources.next() => {
                if told.is_some() {
                    output::complain("a second signal; exiting at once");
                    exit_at_once(AT_ONCE);
                }
                let told = Some((next, Instant::now()));
                state.send_modify(|state| state.told = told);
            }
            () = overdue(phase, told) => end_overdue(*state.borrow()),
            _ = changes.changed() => {}
            _ = tick.tick(), if phase == Phase::Working && told.is_none() => {
                if let Some(wait) = waiting::newest() {
                    teller.look(&wait);
                }
            }
        }
    }
}

/// Waits for the moment at which the end has taken too long.
async fn overdue(phase: Phase, told: Option<(Told, Instant)>) {
    let until = match (phase, told) {
        (Phase::Working, Some((_, at))) => at + ORDERLY_END_MAX,
        (Phase::Stopping { until }, _) => until,
        (Phase::Working | Phase::Serving, _) => return pending().await,
    };
    sleep_until(until).await;
}

fn end_overdue(state: State) {
    let waited_for = waiting::newest().map(|wait| wait.what);
    match (state.phase, state.told) {
        (Phase::Working, Some((told, _))) => {
            let is_service = state.is_service;
            let interrupted = Interrupted { told, waited_for, is_service };
            output::tell(&interrupted.to_string());
            exit_at_once(i32::from(interrupted.exit_code()));
        }
        (Phase::Stopping { .. }, _) => {
            let cause = waited_for.map(|what| format!(", waiting for {what}")).unwrap_or_default();
            output::tell(&format!("the stop takes too long{cause}; exiting at once"));
            exit_at_once(1);
        }
        // The phase has changed in this moment.
        (Phase::Working | Phase::Serving, _) => {}
    }
}

/// Tells the operator what is waited for, each wait after a while and then from time to time.
#[derive(Debug, Default)]
struct Teller {
    /// The wait that was told, and when it is to be told again.
    told: Option<(u64, Duration)>,
}

impl Teller {
    fn look(&mut self, wait: &Wait) {
        let lasted = wait.lasted();
        let due = match self.told {
            Some((number, due)) if number == wait.number => due,
            _ => TELL_AFTER,
        };
        if lasted >= due {
            self.told = Some((wait.number, lasted + TELL_AGAIN_AFTER));
            output::tell(&format!("waiting for {} ({} s)", wait.what, lasted.as_secs()));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "an end without delay is asked for exactly here")]
fn exit_at_once(code: i32) -> ! {
    output::flush_log();
    std::process::exit(code);
}
