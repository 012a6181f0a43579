//! An error for people: one line with its causes.

/// An error with its causes, `a: b: c`, without repeating one that its parent already contains.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// The innermost cause: for a failed connection the layers above it add nothing.
pub fn root(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

/// The last cause of a chain of errors: `connection refused`.
pub fn reason(chain: &str) -> String {
    let last = chain.rsplit(": ").next().unwrap_or(chain);
    let plain = last.split(" (os error").next().unwrap_or(last);
    plain.to_lowercase()
}
