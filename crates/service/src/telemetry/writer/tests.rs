//! The writer on outputs that take everything, nothing, or fail.

use std::sync::{Mutex, mpsc::SyncSender};

use super::*;

/// Longer than any step of these tests takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// An output whose every write is permitted, or failed, by the test.
struct Gated {
    permits: Receiver<io::Result<()>>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The end of the test permits everything.
        self.permits.recv().unwrap_or(Ok(()))?;
        self.written.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct World {
    writer: Writer,
    permits: SyncSender<io::Result<()>>,
    written: Arc<Mutex<Vec<u8>>>,
    metrics: LogMetrics,
}

fn world() -> World {
    let (permits, received) = mpsc::sync_channel(16);
    let written = Arc::new(Mutex::new(Vec::new()));
    let metrics = LogMetrics::default();
    let output = Gated { permits: received, written: Arc::clone(&written) };
    let writer = Writer::start(output, metrics.clone()).unwrap();
    World { writer, permits, written, metrics }
}

#[test]
fn lines_are_written_in_order() {
    let World { writer, permits, written, metrics } = world();
    drop(permits);
    let expected: String = (0..1_000).map(|n| format!("line {n}\n")).collect();
    for line in expected.split_inclusive('\n') {
        writer.queue(line.as_bytes());
    }
    assert!(writer.flush(PATIENCE));
    assert_eq!(String::from_utf8(written.lock().unwrap().clone()).unwrap(), expected);
    assert_eq!(metrics.dropped(), 0);
}

#[test]
fn an_output_that_takes_nothing_blocks_no_caller_and_drops_are_counted() {
    let World { writer, permits, written, metrics } = world();
    let line = [[b'x'; 1_023].as_slice(), b"\n"].concat();
    let fitting = WAITING_BYTES_MAX / line.len();
    // None of these returns late: nothing permits a write.
    for _ in 0..fitting + 7 {
        writer.queue(&line);
    }
    assert!(!writer.flush(Duration::ZERO));
    assert_eq!((metrics.dropped(), metrics.full()), (7, 7));
    drop(permits);
    assert!(writer.flush(PATIENCE));
    assert_eq!(written.lock().unwrap().len(), fitting * line.len());
    writer.queue(&line);
    assert!(writer.flush(PATIENCE));
    assert_eq!(written.lock().unwrap().len(), (fitting + 1) * line.len());
    assert_eq!(metrics.dropped(), 7);
}

#[test]
fn an_output_that_fails_is_tried_again_with_the_next_lines() {
    for kind in [ErrorKind::BrokenPipe, ErrorKind::StorageFull, ErrorKind::WriteZero] {
        let World { writer, permits, written, metrics } = world();
        permits.send(Err(kind.into())).unwrap();
        writer.queue(b"lost\n");
        assert!(writer.flush(PATIENCE));
        assert_eq!((metrics.dropped(), metrics.full()), (1, 0));
        drop(permits);
        writer.queue(b"kept\n");
        assert!(writer.flush(PATIENCE));
        assert_eq!(*written.lock().unwrap(), b"kept\n");
    }
}

#[test]
fn an_output_that_does_not_block_is_waited_for() {
    let World { writer, permits, written, metrics } = world();
    for kind in [ErrorKind::WouldBlock, ErrorKind::Interrupted] {
        permits.send(Err(kind.into())).unwrap();
    }
    drop(permits);
    writer.queue(b"late\n");
    assert!(writer.flush(PATIENCE));
    assert_eq!(*written.lock().unwrap(), b"late\n");
    assert_eq!(metrics.dropped(), 0);
}
