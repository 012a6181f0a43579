//! One set of credentials: a signed key and a service account, what both may, and the API's clock.

use super::oauth::Tokens;

/// The three parts of a signed key.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub application_key: String,
    pub application_secret: String,
    pub consumer_key: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub keys: Keys,
    /// Whether the consumer key was taken back.
    pub is_withdrawn: bool,
    /// Seconds that the API's clock is ahead.
    pub skew: i64,
    /// What the consumer key may: (method, path).
    pub granted: Vec<(String, String)>,
    pub denied: Vec<(String, String)>,
    pub tokens: Tokens,
    /// The rights of the service account.
    pub actions: Vec<String>,
    /// Which right a call needs: method and path.
    pub action: fn(&str, &str) -> String,
    pub expiration: Option<String>,
    last_query: u64,
}

impl Access {
    pub fn new(keys: Keys, granted: &[(&str, &str)], actions: &[&str], action: fn(&str, &str) -> String) -> Self {
        Self {
            keys,
            is_withdrawn: false,
            skew: 0,
            granted: rules(granted),
            denied: Vec::new(),
            tokens: Tokens::new(),
            actions: actions.iter().map(|&action| action.to_owned()).collect(),
            action,
            expiration: None,
            last_query: 0,
        }
    }

    /// As in go-ovh's tests, `EU.ext-99.foobar`.
    pub fn next_query(&mut self) -> String {
        self.last_query += 1;
        format!("EU.ext-99.{:08x}", self.last_query)
    }

    /// The API's clock, in seconds since 1970.
    pub fn now(&self) -> i64 {
        crate::clock::now().as_second().saturating_add(self.skew)
    }
}

/// Access rules as they are kept.
pub(crate) fn rules(rules: &[(&str, &str)]) -> Vec<(String, String)> {
    rules.iter().map(|&(method, path)| (method.to_owned(), path.to_owned())).collect()
}
