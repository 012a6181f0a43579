//! Seeds in eight shares, each a test, which run side by side. `scripts/test` gives each day a round of its own, with
//! seeds that no other round has.

/// Tells one seed: what happened, and what is wrong with it.
pub type Tell = fn(u64, Detail) -> (Vec<String>, Vec<String>);

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    Chapters,
    EachChange,
}

/// A kind of seeds.
#[derive(Clone, Copy)]
pub struct Seeds {
    /// What `scripts/chaos` calls it.
    pub called: &'static str,
    /// So many in each share, if `SEEDS` says nothing else.
    pub usual: u64,
    pub tell: Tell,
}

/// All shares together.
const SHARES: u64 = 8;

/// `SEED=S` tells that one alone; `SEEDS=N` that many in each share; `FIRST_SEED` begins elsewhere, as does each
/// `SEED_ROUND`.
#[track_caller]
#[expect(clippy::print_stdout, reason = "whoever asks for one seed reads it")]
pub fn share(of: Seeds, which: u64) {
    let number = |name: &str| std::env::var_os(name).and_then(|text| text.to_str()?.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        if which == 0 {
            let (story, wrong) = (of.tell)(seed, Detail::EachChange);
            assert!(wrong.is_empty(), "{}", report(of, seed, &story, &wrong));
            println!("{}", story.join("\n"));
        }
        return;
    }
    let count = number("SEEDS").unwrap_or(of.usual);
    let round = number("SEED_ROUND").unwrap_or(0) * of.usual * SHARES;
    let first = number("FIRST_SEED").unwrap_or(round) + which * count;
    let mut failed = Vec::new();
    for seed in first..first + count {
        let (story, wrong) = (of.tell)(seed, Detail::Chapters);
        if !wrong.is_empty() {
            failed.push(report(of, seed, &story, &wrong));
        }
        if failed.len() >= 3 {
            break;
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// Tells these, one after the other.
#[track_caller]
pub fn each(of: Seeds, seeds: &[u64]) {
    let told = seeds.iter().map(|seed| (seed, (of.tell)(*seed, Detail::Chapters)));
    let wrong = told.filter(|(_, (_, wrong))| !wrong.is_empty());
    let failed: Vec<String> = wrong.map(|(seed, (story, wrong))| report(of, *seed, &story, &wrong)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

fn report(of: Seeds, seed: u64, story: &[String], wrong: &[String]) -> String {
    let (story, wrong) = (story.join("\n"), wrong.join("\n  "));
    format!("seed {seed}:\n{story}\nwrong:\n  {wrong}\nagain: scripts/chaos {} --seed {seed}", of.called)
}

macro_rules! shares {
    ($of:expr, $($name:ident = $share:literal),*) => {
        $(
            #[test]
            fn $name() {
                $crate::shares::share($of, $share);
            }
        )*
    };
}
pub(crate) use shares;
