//! What `docker compose` passes for a value without quotes: it reads a number, a boolean or a time, and writes it anew.

/// That, where it is something else than what is written: `1.0` becomes `1`, `0755` becomes `493`, `False` becomes `false`.
///
/// Source: `resolve.go` of go-yaml v3, which compose-go reads files with, and how Go prints what comes of it.
pub(crate) fn passed(text: &str) -> Option<String> {
    let read = boolean(text).or_else(|| date(text)).or_else(|| integer(text)).or_else(|| float(text))?;
    (read != text).then_some(read)
}

fn boolean(text: &str) -> Option<String> {
    matches!(text, "True" | "TRUE" | "False" | "FALSE").then(|| text.to_ascii_lowercase())
}

/// `2024-01-31`.
fn date(text: &str) -> Option<String> {
    let date = jiff::civil::Date::strptime("%Y-%m-%d", text).ok()?;
    (text.find('-') == Some(4)).then(|| format!("{date} 00:00:00 +0000 UTC"))
}

/// With a sign, a base (`0x1F`, `0o17`, `0b1`, `017`) and `_` between digits.
fn integer(text: &str) -> Option<String> {
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix(['-', '+']) {
        Some(digits) => (if plain.starts_with('-') { "-" } else { "" }, digits),
        None => ("", plain.as_str()),
    };
    let lower = digits.to_ascii_lowercase();
    let (digits, radix) = match lower.get(..2) {
        Some("0x") => (&lower[2..], 16),
        Some("0o") => (&lower[2..], 8),
        Some("0b") => (&lower[2..], 2),
        Some(_) if lower.starts_with('0') => (&lower[1..], 8),
        Some(_) | None => (lower.as_str(), 10),
    };
    let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    let number = i64::from_str_radix(digits, radix).ok().filter(|_| is_number)?;
    Some(if number == 0 { "0".to_owned() } else { format!("{sign}{number}") })
}

/// `1.0`, `.5`, `1e3`, and what is no integer for its digits, `08`.
fn float(text: &str) -> Option<String> {
    let plain = text.replace('_', "");
    let is_float = plain.chars().all(|c| c.is_ascii_digit() || ".eE+-".contains(c))
        && plain.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = plain.parse().ok().filter(|number: &f64| is_float && number.is_finite())?;
    let (digits, exponent) =
        format!("{number:e}").split_once('e').map(|(d, e)| (d.to_owned(), e.parse::<i32>().ok()))?;
    match exponent? {
        far @ (6.. | ..-4) => Some(format!("{digits}e{}{:02}", if far < 0 { '-' } else { '+' }, far.abs())),
        _ => Some(number.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::passed;

    #[test]
    fn numbers_booleans_and_dates_are_written_anew() {
        let cases = [
            ("1.0", "1"),
            ("1.50", "1.5"),
            ("0755", "493"),
            ("08", "8"),
            ("007", "7"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("+5", "5"),
            ("-010", "-8"),
            ("1_000", "1000"),
            ("1e3", "1000"),
            (".5", "0.5"),
            ("1000000.0", "1e+06"),
            ("0.00001", "1e-05"),
            ("3.14159265358979323846", "3.141592653589793"),
            ("False", "false"),
            ("TRUE", "true"),
            ("2024-01-31", "2024-01-31 00:00:00 +0000 UTC"),
        ];
        for (text, expected) in cases {
            assert_eq!(passed(text).as_deref(), Some(expected), "{text}");
        }
        let same = [
            "",
            "1",
            "0",
            "-5",
            "1.5",
            "true",
            "false",
            "yes",
            "no",
            "1.10.1",
            "12:30",
            "v1.0",
            "0x",
            "e3",
            "-",
            ".",
            "1.2.3.4",
            "latest",
            "24-1-1",
            "2024-13-01",
            "+",
            "1e",
            "0.5",
            "100000",
        ];
        for text in same {
            assert_eq!(passed(text), None, "{text}");
        }
    }
}
