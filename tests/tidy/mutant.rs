//! `mutant TREE FILE`: applies a mutant to a copy of the tree, and prints the files that it changes. For `scripts/mutants`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool of the command line")]

use std::path::Path;
use std::process::ExitCode;

use amarre_tidy::mutants::{Mutant, Product};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(tree), Some(file)) = (arguments.next(), arguments.next()) else {
        eprintln!("mutant TREE FILE");
        return ExitCode::from(2);
    };
    match apply(Path::new(&tree), &file) {
        Ok(paths) => {
            paths.iter().for_each(|path| println!("{path}"));
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{file}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn apply(tree: &Path, file: &str) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let changed = Mutant::parse(&text)?.applied(&Product::read(tree)?)?;
    for (path, text) in &changed {
        std::fs::write(tree.join(path), text).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(changed.into_keys().collect())
}
