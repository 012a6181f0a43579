//! How much work and memory lines of nginx's configuration may cost at each request. Pure.
//!
//! A few workers of nginx serve all sites of an NPM: what holds one of them, or takes its memory, is felt by the others.
//!
//! | in one block of lines | limit |
//! |---|---|
//! | patterns | 64, which come to 2²⁸ steps at most ([`patterns`]) |
//! | a pattern for a text that may be longer than a line of a request | 2²³ steps |
//! | `set` | 32, which use one text each that other directives may have made longer |
//! | `rewrite` within the site | the same for the path, and for the arguments |
//! | variables in an argument | 16 |
//! | buffers | 16 MiB; `large_client_header_buffers` 64 KiB |

use super::patterns;
use crate::manifest::yaml::diagnostic::shown;
use crate::model::Text;
use crate::text;

const PATTERNS_MAX: usize = 64;
/// A fifth of a second (measured with nginx 1.22 and `pcre_jit`, as NPM has it).
const STEPS_MAX: u64 = 1 << 28;
/// One pass over the text, and some hundred alternatives.
const PASS_BITS_MAX: u32 = 23;
const SETS_MAX: usize = 32;
/// Each may be as long as a line of a request.
const VARIABLES_MAX: usize = 16;
const VARIABLES_OF_A_SET_MAX: usize = 4;
const BUFFERS_MAX: u64 = 16 << 20;
/// What a request may hold is what patterns are matched with.
const HEADERS_MAX: u64 = 64 << 10;

/// What the lines so far come to.
#[derive(Debug, Default)]
pub(crate) struct NginxLoad {
    patterns: usize,
    steps: u64,
    sets: usize,
}

impl NginxLoad {
    /// Adds a directive.
    ///
    /// # Errors
    /// It is too much; lowercase, no full stop.
    pub fn add(&mut self, directive: &str, arguments: &[&str]) -> Result<(), Text> {
        for (pattern, is_long) in patterns_of(directive, arguments) {
            self.add_pattern(pattern, is_long)?;
        }
        if arguments.iter().any(|argument| variables(argument).len() > VARIABLES_MAX) {
            return Err(text!("policy forbids more than {most} variables in one argument", most = VARIABLES_MAX));
        }
        match (directive, arguments) {
            ("set", [_, value]) => self.add_set(value),
            ("rewrite", [pattern, target, flags @ ..]) => rewrite(pattern, target, flags),
            _ => buffers(directive, arguments),
        }
    }

    fn add_pattern(&mut self, pattern: &str, is_long: bool) -> Result<(), Text> {
        let forbid = |why: Text| text!("policy forbids the pattern `{pattern}`: {why}", pattern = shown(pattern), why);
        let bits = patterns::steps(pattern).map_err(forbid)?;
        if is_long && bits > PASS_BITS_MAX {
            return Err(forbid(text!("for a text that may be long, it could be tried in too many ways")));
        }
        let steps = 1 << bits.min(63);
        self.patterns += 1;
        self.steps = self.steps.saturating_add(steps);
        if self.patterns > PATTERNS_MAX {
            return Err(text!("policy forbids more than {most} patterns in one place", most = PATTERNS_MAX));
        }
        if steps > STEPS_MAX {
            return Err(forbid(text!("it could be tried in too many ways, while other sites wait")));
        }
        if self.steps > STEPS_MAX {
            return Err(forbid(text!("with those before it, other sites would wait too long")));
        }
        Ok(())
    }

    fn add_set(&mut self, value: &str) -> Result<(), Text> {
        self.sets += 1;
        if self.sets > SETS_MAX {
            return Err(text!("policy forbids more than {most} times `set` in one place", most = SETS_MAX));
        }
        let variables = variables(value);
        let growing = variables.iter().filter(|name| !is_given(name)).count();
        if growing > 1 || variables.len() > VARIABLES_OF_A_SET_MAX {
            let value = shown(value);
            return Err(text!("policy forbids to set `{value}`: what it is made of could grow without end", value));
        }
        Ok(())
    }
}

/// The patterns of a directive, each with whether what it is matched with may be longer than a line of a request.
fn patterns_of<'a>(directive: &str, arguments: &[&'a str]) -> Vec<(&'a str, bool)> {
    let marked = |text: &'a str| text.strip_prefix("~*").or_else(|| text.strip_prefix('~'));
    match (directive, arguments) {
        ("if", _) => condition(arguments).into_iter().collect(),
        ("location", ["~" | "~*", pattern]) => vec![(pattern, false)],
        ("rewrite", [pattern, ..]) => vec![(pattern, false)],
        ("gzip_disable", patterns) => patterns.iter().map(|pattern| (*pattern, false)).collect(),
        ("location" | "valid_referers", texts) => {
            texts.iter().filter_map(|text| marked(text)).map(|pattern| (pattern, false)).collect()
        }
        // What an upstream answers.
        (_, texts) if directive.starts_with("proxy_") => {
            texts.iter().filter_map(|text| marked(text)).map(|pattern| (pattern, true)).collect()
        }
        _ => Vec::new(),
    }
}

/// `($name ~ pattern)`, with or without blanks at the parentheses.
fn condition<'a>(arguments: &[&'a str]) -> Option<(&'a str, bool)> {
    let count = arguments.len();
    let bare = arguments.iter().enumerate().map(|(index, word)| {
        let word = if index == 0 { word.strip_prefix('(').unwrap_or(word) } else { word };
        if index + 1 == count { word.strip_suffix(')').unwrap_or(word) } else { word }
    });
    let words: Vec<&str> = bare.filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [name, "~" | "~*" | "!~" | "!~*", pattern] => {
            Some((pattern, !variables(name).iter().all(|name| is_line(name))))
        }
        _ => None,
    }
}

/// `rewrite` within the site: the new path and the new arguments may each hold one of those before, which nginx adds to the
/// arguments by itself unless they end with `?`. A redirection is sent once.
fn rewrite(pattern: &str, target: &str, flags: &[&str]) -> Result<(), Text> {
    let is_sent = ["http://", "https://", "$scheme"].iter().any(|start| target.starts_with(start));
    if is_sent || flags.iter().any(|flag| ["redirect", "permanent"].contains(flag)) {
        return Ok(());
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let of_path = variables(path);
    let groups: Vec<&&str> = of_path.iter().filter(|name| is_group(name)).collect();
    let is_each_once = groups.iter().enumerate().all(|(index, name)| !groups[..index].contains(name));
    let parts = if is_each_once && !has_nested_groups(pattern) { groups.len().min(1) } else { groups.len() };
    let others = of_path.iter().filter(|name| !is_group(name) && !is_short(name)).count();
    let of_query = variables(query);
    let growing = of_query.iter().filter(|name| !is_given(name) && !is_group(name)).count();
    let is_added = usize::from(!query.is_empty() && !target.ends_with('?'));
    if parts + others > 1 || growing > 0 && growing + is_added > 1 || of_query.len() > VARIABLES_OF_A_SET_MAX {
        let target = shown(target);
        return Err(text!(
            "policy forbids to rewrite to `{target}`: path and arguments could grow without end",
            target
        ));
    }
    Ok(())
}

fn has_nested_groups(pattern: &str) -> bool {
    let mut depth = 0_usize;
    let mut signs = pattern.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => drop(signs.next()),
            '(' if depth > 0 => return true,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => (),
        }
    }
    false
}

fn buffers(directive: &str, arguments: &[&str]) -> Result<(), Text> {
    let size = match (directive, arguments) {
        ("proxy_buffers" | "gzip_buffers" | "large_client_header_buffers", [number, size]) => {
            bytes(number).zip(bytes(size)).map(|(number, size)| number.saturating_mul(size))
        }
        ("client_body_buffer_size" | "proxy_buffer_size" | "proxy_busy_buffers_size", [size]) => bytes(size),
        _ => None,
    };
    let most = if directive == "large_client_header_buffers" { HEADERS_MAX } else { BUFFERS_MAX };
    match size {
        Some(size) if size > most => {
            let most = if most >= 1 << 20 {
                text!("{mib} MiB", mib = (most >> 20).to_string())
            } else {
                text!("{kib} KiB", kib = (most >> 10).to_string())
            };
            Err(text!("policy forbids `{directive}` of more than {most}", directive, most))
        }
        Some(_) | None => Ok(()),
    }
}

/// `8`, `16k`, `1m`, `1g`. What is none of these, nginx itself refuses.
fn bytes(text: &str) -> Option<u64> {
    let (digits, shift) = match text.chars().last()? {
        'k' | 'K' => (&text[..text.len() - 1], 10),
        'm' | 'M' => (&text[..text.len() - 1], 20),
        'g' | 'G' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// The names of variables in a text, in order: `a` of `$a`, `${a}`, `1` of `$1`.
fn variables(text: &str) -> Vec<&str> {
    let parts = text.split('$').skip(1);
    let names = parts.filter_map(|part| {
        let part = part.strip_prefix('{').unwrap_or(part);
        let end = part.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').unwrap_or(part.len());
        part.get(..end).filter(|name| !name.is_empty())
    });
    names.collect()
}

/// What a pattern has caught.
fn is_group(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

/// What comes with the request, and no directive changes.
fn is_given(name: &str) -> bool {
    is_short(name) || is_header(name) || name.eq_ignore_ascii_case("request_uri")
}

fn is_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["http_", "cookie_"].iter().any(|start| name.starts_with(start))
}

/// No longer than a line of a request, whatever the lines do. `rewrite` adds to a path only what it says.
fn is_line(name: &str) -> bool {
    is_given(name) || name.eq_ignore_ascii_case("uri") || name.eq_ignore_ascii_case("document_uri")
}

/// No longer than a name.
fn is_short(name: &str) -> bool {
    const SHORT: [&str; 17] = [
        "content_length",
        "content_type",
        "host",
        "hostname",
        "http2",
        "https",
        "is_args",
        "remote_addr",
        "remote_port",
        "request_id",
        "request_method",
        "scheme",
        "server_addr",
        "server_name",
        "server_port",
        "server_protocol",
        "status",
    ];
    SHORT.iter().any(|short| name.eq_ignore_ascii_case(short))
}

#[cfg(test)]
mod tests {
    use super::super::nginx::fault;
    use crate::model::Code;
    use crate::model::site::NginxPolicy;

    #[track_caller]
    fn is_refused(text: &str) -> bool {
        assert_eq!(fault(text, NginxPolicy::Any), None, "{text}");
        match fault(text, NginxPolicy::Directives) {
            Some(fault) => {
                assert_eq!(fault.code, Code::A0286, "{text}: {fault:?}");
                true
            }
            None => false,
        }
    }

    #[test]
    fn what_people_write_is_not_too_much() {
        for text in [
            "if ($http_user_agent ~* (bot|spider|crawl)) { return 403; }",
            "if ( $request_uri ~ \"^/old/(.*)$\" ) { return 301 /new/$1; }",
            "if ($request_method !~ ^(GET|HEAD|POST)$ ) { return 444; }",
            "location ~ ^/(?:\\.|autotest|occ|issue|indie|db_|console) { deny all; }",
            "location ~* \\.(?:jpg|jpeg|gif|png|ico|svg|webp)$ { expires 30d; }",
            "rewrite ^/a/(.*)/(.*)$ /b/$1/$2 last;",
            "rewrite ^/(.*)$ /index.php?q=$1 last;",
            "rewrite ^ $request_uri;",
            "rewrite ^(.*)$ https://www.example.org$1?from=$args permanent;",
            "rewrite /.well-known/carddav https://$host/remote.php/dav permanent;",
            "return 301 https://$host$request_uri;",
            "set $test A; if ($http_x = y) { set $test \"${test}B\"; } if ($test = AB) { return 403; }",
            "set $key \"$scheme$host$request_uri\";",
            "valid_referers none blocked ~\\.example\\.;",
            "proxy_redirect ~^http://[^/]+/(.*)$ /$1;",
            "proxy_cookie_path / \"/; Secure; SameSite=Lax\";",
            "proxy_buffers 16 64k; proxy_buffer_size 128k; proxy_busy_buffers_size 256k;",
            "client_body_buffer_size 512k; large_client_header_buffers 4 16k;",
            "gzip_disable msie6 \"MSIE [1-6]\\.\";",
        ] {
            assert!(!is_refused(text), "{text}: {:?}", fault(text, NginxPolicy::Directives));
        }
    }

    #[test]
    fn what_holds_a_worker_is_too_much() {
        let many = |line: &str, times: usize| line.repeat(times);
        for text in [
            "if ($request_uri ~ \"^/(a|aa)+[b-y]$\") { return 204; }".to_owned(),
            "if ($request_uri !~* ^/(a|aa)+[b-y]$) { return 204; }".to_owned(),
            "if ( $uri ~ '(a+)+b' ) { return 204; }".to_owned(),
            "location ~ ^/(a|aa)+[b-y]$ { return 204; }".to_owned(),
            "location ~*(a|aa)+[b-y]$ { return 204; }".to_owned(),
            "location / { rewrite ^/(a|aa)+[b-y]$ /x; }".to_owned(),
            "valid_referers ~(a|aa)+[b-y];".to_owned(),
            "gzip_disable msie6 (a|aa)+[b-y];".to_owned(),
            "proxy_redirect ~*(a|aa)+[b-y] /;".to_owned(),
            "proxy_cookie_domain ~(.*)x(.*)y /;".to_owned(),
            "proxy_cookie_flags ~(a|aa)+[b-y] secure;".to_owned(),
            "if ($request_uri ~ ^a*a*a*b) { return 204; }".to_owned(),
            "if ($x ~ (.*)a(.*)b) { return 204; }".to_owned(),
            "if ($args ~ (.*)a(.*)b) { return 204; }".to_owned(),
            many("if ($request_uri ~ (.*)a(.*)b) { return 204; }\n", 6),
            many("if ($request_uri ~ ^/a) { return 204; }\n", 65),
            "set $a 1; set $a \"$a$a\";".to_owned(),
            "set $a \"$uri$args\";".to_owned(),
            many("set $a $request_uri;\n", 33),
            "rewrite ^(.*)$ $1$1;".to_owned(),
            "rewrite ^((.*))$ $1$2;".to_owned(),
            "rewrite ^ $uri$uri;".to_owned(),
            "rewrite ^(.*)$ $1$request_uri;".to_owned(),
            "rewrite ^ /x?a=$args;".to_owned(),
            "rewrite ^ /x?a=$arg_a$arg_a?;".to_owned(),
            format!("return 200 \"{}\";", "$request_uri".repeat(17)),
            "proxy_buffers 1000 1m;".to_owned(),
            "client_body_buffer_size 1g;".to_owned(),
            "large_client_header_buffers 4 1m;".to_owned(),
        ] {
            assert!(is_refused(&text), "{text}");
        }
    }
}
