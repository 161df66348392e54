//! Writes log lines on a thread of its own, so that an output that is slow, full or closed never
//! blocks a caller. What does not fit in the bounded queue, or cannot be written, is counted.

use std::{
    io::{self, ErrorKind, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use super::metrics::LogMetrics;

/// Bytes of lines that wait to be written at most; further lines are dropped. Some seconds of a
/// busy service's log.
const WAITING_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Lines that wait are written together, this many bytes at once.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// How long to wait before trying again to write to an output that does not block, such as a
/// terminal that another program has set so.
const WOULD_BLOCK_PAUSE: Duration = Duration::from_millis(10);

/// Queues lines. Clones share the queue and its thread, which ends with the last of them.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    messages: Sender<Message>,
    waiting_bytes: Arc<AtomicUsize>,
    metrics: LogMetrics,
}

#[derive(Debug)]
enum Message {
    /// Bytes to write, which may be several lines.
    Lines(Vec<u8>),
    /// Asks for a sign when everything before it has been written or dropped.
    Flush(Sender<()>),
}

impl Writer {
    /// Starts the thread that writes to `output`.
    pub(super) fn start(
        output: impl Write + Send + 'static,
        metrics: LogMetrics,
    ) -> io::Result<Self> {
        let (messages, received) = mpsc::channel();
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let mut drain = Drain {
            output,
            waiting_bytes: Arc::clone(&waiting_bytes),
            metrics: metrics.clone(),
            is_failing: false,
            dropped_told: 0,
        };
        thread::Builder::new().name("log".to_owned()).spawn(move || drain.run(&received))?;
        Ok(Self { messages, waiting_bytes, metrics })
    }

    /// What it counts.
    pub(super) fn metrics(&self) -> &LogMetrics {
        &self.metrics
    }

    /// Queues these lines, or drops and counts them. Returns at once in either case.
    pub(super) fn queue(&self, lines: &[u8]) {
        let before = self.waiting_bytes.fetch_add(lines.len(), Ordering::Relaxed);
        let fits = before.saturating_add(lines.len()) <= WAITING_BYTES_MAX;
        // The thread ends only after a panic, as this holds a sender.
        if !fits || self.messages.send(Message::Lines(lines.to_vec())).is_err() {
            self.waiting_bytes.fetch_sub(lines.len(), Ordering::Relaxed);
            self.metrics.count_full(count_lines(lines));
        }
    }

    /// Waits until what is queued has been written or dropped, but no longer than `limit`. Returns
    /// whether it has.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let (done, is_done) = mpsc::channel();
        self.messages.send(Message::Flush(done)).is_ok() && is_done.recv_timeout(limit).is_ok()
    }
}

impl Write for Writer {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.queue(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the thread has.
struct Drain<W> {
    output: W,
    waiting_bytes: Arc<AtomicUsize>,
    metrics: LogMetrics,
    /// Whether the newest lines could not be written.
    is_failing: bool,
    /// Dropped lines that the log already tells of.
    dropped_told: u64,
}

impl<W: Write> Drain<W> {
    fn run(&mut self, messages: &Receiver<Message>) {
        let (mut bytes, mut flushes) = (Vec::new(), Vec::new());
        while let Ok(message) = messages.recv() {
            let mut next = Some(message);
            while let Some(message) = next {
                match message {
                    Message::Lines(lines) => bytes.extend(lines),
                    Message::Flush(done) => flushes.push(done),
                }
                next = (bytes.len() < WRITE_BYTES_MAX).then(|| messages.try_recv().ok()).flatten();
            }
            if !bytes.is_empty() {
                self.write(&bytes);
            }
            self.waiting_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
            bytes.clear();
            for done in flushes.drain(..) {
                // An error means that the limit of the flush is over.
                let _is_late = done.send(());
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        match write_all(&mut self.output, bytes) {
            Ok(()) => {
                self.is_failing = false;
                self.tell_dropped();
            }
            Err(error) => {
                self.metrics.count_failed(count_lines(bytes));
                if !self.is_failing {
                    self.is_failing = true;
                    // Standard error may be closed or full too, which must not end this thread.
                    let text = format!("my-pay: the log cannot be written: {error}\n");
                    let _told = io::stderr().write_all(text.as_bytes());
                }
            }
        }
    }

    /// Says in the log how many lines it lacks, once there is room for that again.
    fn tell_dropped(&mut self) {
        let dropped = self.metrics.dropped();
        let has_room = self.waiting_bytes.load(Ordering::Relaxed) < WAITING_BYTES_MAX / 2;
        if dropped > self.dropped_told && has_room {
            let log_lines_dropped = dropped - self.dropped_told;
            self.dropped_told = dropped;
            tracing::warn!(
                log.lines_dropped = log_lines_dropped,
                "log lines were dropped because the output did not take them"
            );
        }
    }
}

/// As the standard library's, but waits for an output that does not block.
fn write_all(output: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(WOULD_BLOCK_PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
    output.flush()
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.split(|byte| *byte == b'\n').skip(1).count() as u64
}

#[cfg(test)]
mod tests;
