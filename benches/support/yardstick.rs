//! What figures are compared with: the least that can be durable, and how both are measured.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::ground::{folder, processor_seconds};

/// Messages in a second, and milliseconds of the processor for each.
#[derive(Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) messages: f64,
    pub(crate) cost: f64,
}

pub(crate) fn median(mut rates: Vec<Rate>) -> Rate {
    rates.sort_by(|a, b| a.messages.total_cmp(&b.messages));
    rates[rates.len() / 2]
}

/// Runs `senders` tasks that each do `work` again and again until the time is over.
pub(crate) fn measure<W, F>(runtime: &Runtime, senders: usize, span: Duration, work: W) -> Rate
where
    W: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let done = Arc::new(AtomicU64::new(0));
    let (begun, cost) = (Instant::now(), processor_seconds());
    let end = begun + span;
    let tasks: Vec<_> = (0..senders)
        .map(|_| {
            let (work, done) = (work.clone(), Arc::clone(&done));
            runtime.spawn(async move {
                while Instant::now() < end {
                    work().await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    let messages = done.load(Ordering::Relaxed) as f64;
    Rate { messages: messages / begun.elapsed().as_secs_f64(), cost: 1000.0 * (processor_seconds() - cost) / messages }
}

/// What waits to be written, and who waits for it.
#[derive(Default)]
struct Waiting {
    octets: Vec<Arc<[u8]>>,
    answers: Vec<oneshot::Sender<()>>,
    ended: bool,
}

/// The least that can be durable: octets behind octets, one sync for all that wait.
struct Log {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

impl Log {
    fn write(&self, path: &Path) {
        let mut file = OpenOptions::new().create_new(true).append(true).open(path).expect("a log");
        let mut together = Vec::new();
        loop {
            let waiting = self.waiting.lock().unwrap();
            let mut waiting = self.arrived.wait_while(waiting, |waiting| waiting.octets.is_empty() && !waiting.ended).unwrap();
            let (octets, answers) = (std::mem::take(&mut waiting.octets), std::mem::take(&mut waiting.answers));
            if octets.is_empty() {
                return;
            }
            drop(waiting);
            together.clear();
            octets.iter().for_each(|octets| together.extend_from_slice(octets));
            file.write_all(&together).expect("room");
            file.sync_data().expect("a sync");
            for answer in answers {
                let _ = answer.send(());
            }
        }
    }
}

pub(crate) fn append_log(runtime: &Runtime, size: usize, senders: usize, span: Duration) -> Rate {
    let dir = folder();
    let log = Arc::new(Log { waiting: Mutex::default(), arrived: Condvar::new() });
    let (writing, path) = (Arc::clone(&log), dir.path().join("log"));
    let writer = std::thread::spawn(move || writing.write(&path));
    let octets: Arc<[u8]> = vec![b'x'; size].into();
    let sending = Arc::clone(&log);
    let rate = measure(runtime, senders, span, move || {
        let (log, octets) = (Arc::clone(&sending), Arc::clone(&octets));
        async move {
            let (answer, answered) = oneshot::channel();
            {
                let mut waiting = log.waiting.lock().unwrap();
                waiting.octets.push(octets);
                waiting.answers.push(answer);
            }
            log.arrived.notify_one();
            answered.await.unwrap();
        }
    });
    log.waiting.lock().unwrap().ended = true;
    log.arrived.notify_one();
    writer.join().unwrap();
    rate
}
