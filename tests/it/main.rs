#![expect(clippy::unwrap_used, reason = "tests")]

mod npm_provider;
