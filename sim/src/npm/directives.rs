//! Finds in a person's nginx lines what nginx would refuse. Knows names of directives, not their arguments.

/// The first fault and the line it is on, counted from 0.
pub(super) fn fault(config: &str) -> Option<(String, usize)> {
    let mut depth = 0_usize;
    let mut line = 0;
    let mut words: Vec<String> = Vec::new();
    let mut signs = config.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '\n' => line += 1,
            sign if sign.is_whitespace() => (),
            '#' => while signs.next_if(|next| *next != '\n').is_some() {},
            ';' | '{' => {
                match words.first() {
                    None => return Some((format!("unexpected \"{sign}\""), line)),
                    Some(name) if !is_known(name) => {
                        return Some((format!("unknown directive \"{name}\""), line));
                    }
                    Some(_) => words.clear(),
                }
                depth += usize::from(sign == '{');
            }
            '}' if depth == 0 || !words.is_empty() => {
                return Some(("unexpected \"}\"".to_owned(), line));
            }
            '}' => depth -= 1,
            quote @ ('"' | '\'') => {
                let mut word = String::new();
                while let Some(next) = signs.next_if(|next| *next != quote) {
                    word.push(next);
                }
                if signs.next().is_none() {
                    return Some((end_of_file(), line));
                }
                words.push(word);
            }
            first => {
                let mut word = String::from(first);
                while let Some(next) = signs.next_if(|next| !next.is_whitespace() && !";{}".contains(*next)) {
                    word.push(next);
                }
                words.push(word);
            }
        }
    }
    match (words.is_empty(), depth) {
        (true, 0) => None,
        _ => Some((end_of_file(), line)),
    }
}

fn end_of_file() -> String {
    "unexpected end of file, expecting \";\" or \"}\"".to_owned()
}

fn is_known(name: &str) -> bool {
    let mut words = WORDS.split_whitespace();
    let mut prefixes = PREFIXES.split_whitespace();
    words.any(|word| word == name) || prefixes.any(|prefix| name.starts_with(prefix))
}

/// Modules come with a prefix of their own.
const PREFIXES: &str = "
    access_ add_ auth_ brotli_ brotli client_ fastcgi_ grpc_ gzip http2_ keepalive_ limit_
    more_ open_file_ proxy_ real_ip_ satisfy secure_ send set_ ssl_ sub_ tcp_ types uwsgi_
";

const WORDS: &str = "
    access_log alias allow break charset default_type deny error_log error_page etag
    expires if if_modified_since include index internal large_client_header_buffers
    location log_not_found map merge_slashes port_in_redirect recursive_error_pages
    resolver resolver_timeout return rewrite rewrite_log root sendfile
    server_name_in_redirect server_tokens set try_files underscores_in_headers
    valid_referers absolute_redirect autoindex chunked_transfer_encoding directio http2
    mirror
";

#[cfg(test)]
mod tests {
    use super::fault;

    #[track_caller]
    fn check(config: &str, expected: Option<(&str, usize)>) {
        let found = fault(config);
        let found = found.as_ref().map(|(text, line)| (text.as_str(), *line));
        assert_eq!(found, expected);
    }

    #[test]
    fn usual_lines_pass() {
        check("", None);
        check("# only { a comment", None);
        check("proxy_set_header X \"a;b{\";\nlocation ~ ^/x {\n  return 204;\n}\n", None);
        check("client_max_body_size 0; if ($host = x) { rewrite ^ /y break; }", None);
    }

    #[test]
    fn faults_are_named_with_their_line() {
        check("bogus on;", Some(("unknown directive \"bogus\"", 0)));
        check("root /x;\nbroken {", Some(("unknown directive \"broken\"", 1)));
        check("}", Some(("unexpected \"}\"", 0)));
        check(";", Some(("unexpected \";\"", 0)));
        let end = "unexpected end of file, expecting \";\" or \"}\"";
        check("root /x", Some((end, 0)));
        check("location / {\n", Some((end, 1)));
        check("add_header X \"y;", Some((end, 0)));
    }
}
