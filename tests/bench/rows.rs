//! What a bench found, for the picture: one line for each aim in the file that `BENCH_ROWS` names.

use std::io::Write as _;

/// `found` of `aim`, both in the same unit; with `places` behind the point.
pub fn note(what: &str, found: f64, aim: f64, unit: &str, places: usize) {
    let Some(path) = std::env::var_os("BENCH_ROWS") else { return };
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "{what}\t{found:.places$}{unit}\t{aim}{unit}\t{}", found / aim).unwrap();
}
