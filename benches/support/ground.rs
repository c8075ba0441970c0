//! Where benchmarks write, and how much the processor worked for them.

use std::path::PathBuf;

/// A folder on the disk that is measured: under `BENCH_DIR`, or beside what cargo builds. Temporary folders
/// of the system may be memory.
pub(crate) fn folder() -> tempfile::TempDir {
    let base = std::env::var_os("BENCH_DIR").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    tempfile::tempdir_in(base).expect("a folder to write in")
}

/// Seconds that the processor worked for this process, in steps of the kernel's clock tick.
pub(crate) fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
