//! Names that are looked for: one type, one name.

use std::collections::BTreeMap;

use amarre_tidy::{PRODUCT, rust_files};

use super::none;

#[test]
fn no_two_types_have_one_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in PRODUCT.into_iter().flat_map(rust_files) {
        for name in file.product.lines().filter_map(type_name) {
            places.entry(name.to_owned()).or_default().push(file.path.clone());
        }
    }
    let several = places.into_iter().filter(|(_, paths)| paths.len() > 1);
    none(&several.map(|(name, paths)| format!("`{name}` is a type in {}", paths.join(", "))).collect::<Vec<_>>());
}

/// The name of a type that a line begins, outside of any other item.
fn type_name(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.trim_start(),
        None => line,
    };
    let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|word| line.strip_prefix(word))?;
    rest.split(|char: char| !char.is_alphanumeric() && char != '_').next()
}
