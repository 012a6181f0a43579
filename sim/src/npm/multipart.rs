//! Reads the form that uploads of certificates come as. Texts only.

use std::collections::BTreeMap;

/// The parts by name. What is not a form with this boundary gives no parts.
pub(super) fn read(bytes: &[u8], boundary: &str) -> BTreeMap<String, String> {
    let boundary = boundary.split(';').next().unwrap_or(boundary);
    let mark = format!("--{}", boundary.trim().trim_matches('"'));
    let text = String::from_utf8_lossy(bytes);
    let mut parts = BTreeMap::new();
    for part in text.split(mark.as_str()).skip(1) {
        let Some((head, body)) = part.split_once("\r\n\r\n") else {
            continue;
        };
        let name = head
            .split(';')
            .find_map(|word| word.trim().strip_prefix("name=\""))
            .and_then(|rest| rest.split('"').next());
        if let Some(name) = name {
            let body = body.strip_suffix("\r\n").unwrap_or(body);
            parts.insert(name.to_owned(), body.to_owned());
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn parts_are_found_by_name() {
        let form = "--x\r\nContent-Disposition: form-data; name=\"one\"; filename=\"a.pem\"\r\n\
                    Content-Type: text/plain\r\n\r\nfirst\nline\n\r\n--x\r\n\
                    Content-Disposition: form-data; name=\"two\"\r\n\r\n2\r\n--x--\r\n";
        let parts = read(form.as_bytes(), "x");
        assert_eq!(parts.len(), 2);
        assert_eq!(parts["one"], "first\nline\n");
        assert_eq!(parts["two"], "2");
    }
}
