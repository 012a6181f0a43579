//! Which known word somebody may have meant. Pure.

/// The known word nearest to one, if it is near: a third of the word may differ.
pub fn nearest<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let limit = word.chars().count().max(3) / 3;
    let near = known.iter().map(|candidate| (distance(word, candidate, limit), *candidate));
    let near = near.filter(|(distance, _)| *distance <= limit).min().map(|(_, candidate)| candidate);
    near.or_else(|| known.iter().find(|candidate| is_part(word, candidate)).copied())
}

/// Whether one is the beginning or the end of the other, up to a `_` or `-`: `satisfy_any` is `satisfy`.
fn is_part(word: &str, candidate: &str) -> bool {
    let divides = |rest: &str| rest.starts_with(['_', '-']) || rest.ends_with(['_', '-']);
    let is_in = |part: &str, whole: &str| {
        let rest = whole.strip_prefix(part).or_else(|| whole.strip_suffix(part));
        !part.is_empty() && rest.is_some_and(divides)
    };
    is_in(word, candidate) || is_in(candidate, word)
}

/// How many letters must be put in, taken out, exchanged or swapped with their neighbour.
fn distance(left: &str, right: &str, limit: usize) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.to_lowercase().chars().collect();
    if left.len().abs_diff(right.len()) > limit {
        return limit + 1;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for row in 1..=left.len() {
        let mut line = vec![row];
        for column in 1..=right.len() {
            let changed = usize::from(left[row - 1] != right[column - 1]);
            let mut best = (above[column] + 1).min(line[column - 1] + 1).min(above[column - 1] + changed);
            if row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1] {
                best = best.min(before[column - 2] + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or(limit + 1)
}

/// Whether a pattern, in which `*` is anything, matches all of a text. Linear in both for each `*`.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}
