//! What a test's listener has logged.

use std::cell::RefCell;

thread_local! {
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what is logged apart by thread. A test's runtime has one thread, so what its listener logs is its own.
pub(crate) struct Log;

impl Log {
    pub(crate) fn install() {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            tracing_subscriber::fmt().without_time().with_target(false).with_ansi(false).with_writer(|| Log).init();
        });
    }
}

impl std::io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(octets));
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines that this test's listener has logged.
pub(crate) fn logged() -> Vec<String> {
    LOG.with_borrow(|log| String::from_utf8(log.clone()).unwrap().lines().map(str::to_owned).collect())
}
