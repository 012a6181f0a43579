//! Reads nginx's lines as nginx reads them, and says what in them hands over more than one site. Pure.
//!
//! NPM puts the lines into the site's `server { … }` as they are. So they must close every block that they open and
//! no other, and what reads files, reaches other hosts or runs code needs `policy.nginx: any`. Directives are allowed
//! by name: one that is new in nginx is refused until somebody has looked at it.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::site::NginxPolicy;
use crate::model::{Code, Text};
use crate::text;

use super::nginx_load::NginxLoad;
use crate::manifest::yaml::diagnostic::shown;

/// What is wrong with lines of nginx's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NginxFault {
    pub code: Code,
    /// From 1, in the lines.
    pub line: usize,
    /// Lowercase, no full stop.
    pub message: Text,
}

/// What `policy` and nginx's own form object to.
pub(crate) fn fault(text: &str, policy: NginxPolicy) -> Option<NginxFault> {
    if policy == NginxPolicy::None && !text.trim().is_empty() {
        let message = text!("policy forbids lines of nginx's configuration");
        return Some(NginxFault { code: Code::A0210, line: 1, message });
    }
    let mut lexer = Lexer::of(text);
    let mut words: Vec<Word> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut load = NginxLoad::default();
    loop {
        let token = match lexer.next() {
            Ok(token) => token,
            Err(fault) => return Some(fault),
        };
        match token {
            NginxToken::Word(word) => words.push(word),
            NginxToken::End | NginxToken::Open if words.is_empty() => {
                let sign = if matches!(token, NginxToken::End) { ";" } else { "{" };
                return Some(unfit(lexer.line, text!("`{sign}` stands without a directive", sign)));
            }
            NginxToken::End | NginxToken::Open => {
                if policy != NginxPolicy::Any
                    && let Some(fault) = forbidden(&words).or_else(|| too_much(&words, &mut load))
                {
                    return Some(fault);
                }
                let is_lua = words.first().is_some_and(|word| word.text.ends_with("_by_lua_block"));
                if matches!(token, NginxToken::Open) {
                    if is_lua {
                        if let Some(fault) = lexer.skip_lua() {
                            return Some(fault);
                        }
                    } else {
                        open.push(lexer.line)
                    }
                }
                words.clear();
            }
            NginxToken::Close if !words.is_empty() => {
                return Some(unfit(lexer.line, text!("`{sign}` ends a directive that has no `;`", sign = "}")));
            }
            NginxToken::Close => {
                if open.pop().is_none() {
                    let message = text!("`{sign}` closes a block that these lines did not open", sign = "}");
                    return Some(unfit(lexer.line, message));
                }
            }
            NginxToken::Nothing => break,
        }
    }
    match (words.first(), open.pop()) {
        (Some(word), _) => Some(unfit(word.line, text!("`{word}` has no `;`", word = shown(&word.text)))),
        (None, Some(line)) => Some(unfit(line, text!("a block is not closed"))),
        (None, None) => None,
    }
}

/// What stands at the beginning of a `location` that only compares the beginning of the path: `/api`, `= /api`, `^~ /api`.
pub(crate) fn is_path(text: &str) -> bool {
    let path = ["= ", "^~ "].iter().find_map(|sign| text.strip_prefix(sign)).unwrap_or(text);
    path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && !b";{}\"'`\\#$".contains(&byte))
}

#[derive(Debug)]
pub(super) struct Word {
    pub text: String,
    pub line: usize,
}

#[derive(Debug)]
pub(super) enum NginxToken {
    Word(Word),
    End,
    Open,
    Close,
    Nothing,
}

/// nginx's own way to cut a file into words.
pub(super) struct Lexer {
    signs: Vec<char>,
    at: usize,
    line: usize,
}

impl Lexer {
    pub(super) fn of(text: &str) -> Self {
        Self { signs: text.chars().collect(), at: 0, line: 1 }
    }

    fn peek(&self) -> Option<char> {
        self.signs.get(self.at).copied()
    }

    fn take(&mut self) -> Option<char> {
        let sign = self.peek()?;
        self.at += 1;
        self.line += usize::from(sign == '\n');
        Some(sign)
    }

    pub(super) fn next(&mut self) -> Result<NginxToken, NginxFault> {
        while let Some(sign) = self.peek() {
            match sign {
                '#' => while self.peek().is_some_and(|sign| sign != '\n') && self.take().is_some() {},
                sign if is_blank(sign) => drop(self.take()),
                _ => break,
            }
        }
        Ok(match self.peek() {
            None => NginxToken::Nothing,
            Some(';') => self.sign(NginxToken::End),
            Some('{') => self.sign(NginxToken::Open),
            Some('}') => self.sign(NginxToken::Close),
            Some(quote @ ('"' | '\'')) => NginxToken::Word(self.quoted(quote)?),
            Some(_) => NginxToken::Word(self.plain()),
        })
    }

    fn sign(&mut self, token: NginxToken) -> NginxToken {
        self.take();
        token
    }

    /// After the closing quote nginx takes only a blank, `;`, `{` or `)`.
    fn quoted(&mut self, quote: char) -> Result<Word, NginxFault> {
        let line = self.line;
        self.take();
        let mut text = String::new();
        loop {
            match self.take() {
                None => return Err(unfit(line, text!("the quote `{quote}` is not closed", quote = quote.to_string()))),
                Some('\\') => self.escaped(&mut text),
                Some(sign) if sign == quote => break,
                Some(sign) => text.push(sign),
            }
        }
        match self.peek() {
            None | Some(';' | '{' | ')') => Ok(Word { text, line }),
            Some(sign) if is_blank(sign) => Ok(Word { text, line }),
            Some(sign) => {
                let message = text!("`{sign}` stands right after a closing quote", sign = sign.to_string());
                Err(unfit(self.line, message))
            }
        }
    }

    /// `${name}` belongs to its word, and so do quotes, `#` and `}` in the middle of one.
    fn plain(&mut self) -> Word {
        let line = self.line;
        let mut text = String::new();
        // As nginx has it: a `$` that is not escaped, and every `{` right behind it.
        let mut in_variable = false;
        while let Some(sign) = self.peek() {
            if is_blank(sign) || sign == ';' || (sign == '{' && !in_variable) {
                break;
            }
            self.take();
            in_variable = sign == '$' || (sign == '{' && in_variable);
            match sign {
                '\\' => self.escaped(&mut text),
                sign => text.push(sign),
            }
        }
        Word { text, line }
    }

    /// What a `\`, which is behind us, makes of the next sign: `\.` stays, since it means something to a pattern.
    fn escaped(&mut self, text: &mut String) {
        match self.take() {
            Some(sign @ ('"' | '\'' | '\\')) => text.push(sign),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('n') => text.push('\n'),
            sign => {
                text.push('\\');
                text.extend(sign);
            }
        }
    }

    /// Past a block of Lua, whose braces, strings and comments are Lua's own; the fault when it does not end.
    pub(super) fn skip_lua(&mut self) -> Option<NginxFault> {
        let line = self.line;
        let mut depth = 1_usize;
        while let Some(sign) = self.take() {
            match sign {
                '{' => depth += 1,
                '}' if depth == 1 => return None,
                '}' => depth -= 1,
                '-' if self.peek() == Some('-') => {
                    self.take();
                    if !self.long_bracket() {
                        while self.peek().is_some_and(|sign| sign != '\n') && self.take().is_some() {}
                    }
                }
                '[' => drop(self.rest_of_bracket()),
                quote @ ('"' | '\'') => {
                    while let Some(sign) = self.take() {
                        match sign {
                            '\\' => drop(self.take()),
                            sign if sign == quote => break,
                            _ => (),
                        }
                    }
                }
                _ => (),
            }
        }
        Some(unfit(line, text!("a block of Lua is not closed")))
    }

    fn long_bracket(&mut self) -> bool {
        if self.peek() != Some('[') {
            return false;
        }
        self.take();
        self.rest_of_bracket()
    }

    /// `[[ … ]]`, of which the first `[` is behind us.
    fn rest_of_bracket(&mut self) -> bool {
        if self.peek() != Some('[') {
            return false;
        }
        while let Some(sign) = self.take() {
            if sign == ']' && self.peek() == Some(']') {
                self.take();
                break;
            }
        }
        true
    }
}

fn is_blank(sign: char) -> bool {
    matches!(sign, ' ' | '\t' | '\r' | '\n')
}

fn unfit(line: usize, message: Text) -> NginxFault {
    NginxFault { code: Code::A0212, line, message }
}

fn forbidden_directive(name: &str) -> Text {
    text!("policy forbids the directive `{directive}`", directive = shown(name))
}

/// Why a directive needs `any`.
fn forbidden(words: &[Word]) -> Option<NginxFault> {
    let name = words.first()?;
    let argument = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let fault = |message: Text| Some(NginxFault { code: Code::A0211, line: name.line, message });
    if name.text == "auth_request_set" {
        // It sets a variable to what an answer says, when all else has been looked at.
        let message = forbidden_directive(&name.text);
        return Some(NginxFault { code: Code::A0272, line: name.line, message });
    }
    if matches!(name.text.as_str(), "more_set_input_headers" | "more_clear_input_headers") {
        let why =
            text!("NPM keeps its cache by `Host`, which it may change; `proxy_set_header` says what a container gets");
        return fault(text!("policy forbids the directive `{directive}`: {why}", directive = &name.text, why));
    }
    if !HARMLESS.split_whitespace().any(|known| known == name.text) {
        return fault(forbidden_directive(&name.text));
    }
    // NPM forwards to `$forward_scheme://$server:$port`, wherever these come to be set.
    let sets = match name.text.as_str() {
        "set" => argument(1).trim_start_matches('$').trim_matches(['{', '}']),
        _ => "",
    };
    // The names of variables have no case to nginx.
    if FORWARDING.contains(&sets.to_ascii_lowercase().as_str()) {
        let variable = format!("`${sets}`");
        return fault(text!("policy forbids to set {variable}: NPM forwards to what it says", variable));
    }
    if words.iter().any(|word| ["(?<", "(?P<", "(?'"].iter().any(|sign| word.text.contains(sign))) {
        return fault(text!("policy forbids named groups in a pattern: they set variables"));
    }
    match name.text.as_str() {
        // Elsewhere it is a file that is written to.
        "access_log" if words.len() != 2 || argument(1) != "off" => {
            fault(text!("policy allows `access_log off` only: else it names a file to write"))
        }
        // nginx looks a name up when it loads, and does not load when the name is gone.
        "set_real_ip_from" if !is_network(argument(1)) => {
            fault(text!("policy allows addresses in `set_real_ip_from`, and no names"))
        }
        _ => None,
    }
}

/// What nginx would have to do for a directive that is harmless otherwise.
fn too_much(words: &[Word], load: &mut NginxLoad) -> Option<NginxFault> {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let (directive, arguments) = texts.split_first()?;
    let message = load.add(directive, arguments).err()?;
    Some(NginxFault { code: Code::A0286, line: words.first()?.line, message })
}

fn is_network(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || text.parse::<IpNet>().is_ok()
}

const FORWARDING: [&str; 3] = ["forward_scheme", "server", "port"];

/// They change how one site answers, and read no file, reach no other host, run no code.
const HARMLESS: &str = "
    absolute_redirect access_log add_header allow auth_basic auth_request break charset
    chunked_transfer_encoding client_body_buffer_size client_body_timeout client_header_timeout client_max_body_size
    default_type deny error_page etag expires gzip gzip_buffers gzip_comp_level gzip_disable gzip_http_version
    gzip_min_length gzip_proxied gzip_types gzip_vary if if_modified_since ignore_invalid_headers internal
    keepalive_requests keepalive_timeout large_client_header_buffers limit_conn limit_conn_status limit_except
    limit_rate limit_rate_after limit_req limit_req_status lingering_close lingering_time lingering_timeout location
    log_not_found max_ranges merge_slashes more_clear_headers more_set_headers port_in_redirect proxy_buffer_size proxy_buffering proxy_buffers proxy_busy_buffers_size
    proxy_cache_bypass proxy_connect_timeout proxy_cookie_domain proxy_cookie_flags proxy_cookie_path
    proxy_force_ranges proxy_hide_header proxy_http_version proxy_ignore_client_abort proxy_ignore_headers
    proxy_intercept_errors proxy_limit_rate proxy_max_temp_file_size proxy_next_upstream proxy_next_upstream_timeout
    proxy_next_upstream_tries proxy_no_cache proxy_pass_header proxy_pass_request_body proxy_pass_request_headers
    proxy_read_timeout proxy_redirect proxy_request_buffering proxy_send_timeout proxy_set_header
    proxy_socket_keepalive proxy_ssl_name proxy_ssl_protocols proxy_ssl_server_name proxy_ssl_session_reuse
    proxy_ssl_verify proxy_temp_file_write_size real_ip_header real_ip_recursive recursive_error_pages
    reset_timedout_connection return rewrite satisfy send_timeout server_name_in_redirect server_tokens set
    set_real_ip_from sub_filter sub_filter_last_modified sub_filter_once sub_filter_types tcp_nodelay tcp_nopush
    underscores_in_headers valid_referers
";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, policy: NginxPolicy, expected: Option<(Code, usize)>) {
        let found = fault(text, policy);
        let found = found.as_ref().map(|fault| (fault.code, fault.line));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn harmless_lines_pass() {
        for text in [
            "",
            "# only { a comment",
            "client_max_body_size 10G;",
            "proxy_set_header X \"a;b{\" ;\nlocation ~ ^/x {\n  return 204;\n}\n",
            "if ($http_user_agent ~* \"(bot|spider)\") { return 403; } # } no",
            "add_header Content-Security-Policy \"default-src 'self'\\\"\" always;",
            "return 200 '}';",
            "rewrite ^/a#b$ /c}d last;",
            "set ${x}y 1;\nset $other \"${host}/\";",
            "location ~ \\.(css|js)$ { expires 1d; }",
            "add_header X ${{a}};",
            "access_log off;",
            "location = / { auth_request /auth; limit_except GET { deny all; } }",
        ] {
            check(text, NginxPolicy::Directives, None);
        }
    }

    #[test]
    fn what_reaches_further_needs_any() {
        for text in [
            "location /keys { alias /data/; }",
            "root /data;",
            "include /etc/passwd;",
            "proxy_pass http://127.0.0.1:81;",
            "\"proxy_pass\" http://127.0.0.1:81;",
            "al\\ias /data/;",
            "content_by_lua_block { ngx.say(io.open('/data/keys.json'):read('*a')) }",
            "load_module modules/x.so;",
            "error_log /data/x;",
            "access_log /data/nginx/proxy_host/1.conf;",
            "access_log off if=1;",
            "auth_basic_user_file /data/keys.json;",
            "set $server 127.0.0.1;",
            "set ${port} 81;",
            "set $SERVER 127.0.0.1; set $Port 81;",
            "set ${Forward_Scheme} http;",
            "set_by_lua_block $x { return 1 }",
            "if ($request_uri ~ \"^/x/(?<server>.*)\") { break; }",
            "server_name other.example.org;",
            "listen 8443;",
            "more_set_input_headers \"Host: vault.example.org\";",
            "more_set_input_headers -t 'text/html' -r 'hOsT:x' 'X-A: b';",
            "more_clear_input_headers Host;",
            "location / { more_clear_input_headers -s 200 'X-A' 'Host'; }",
            "fastcgi_pass unix:/run/x;",
            "SET $x 1;",
            "proxy_ssl_certificate_key /data/keys.json;",
        ] {
            check(text, NginxPolicy::Directives, Some((Code::A0211, 1)));
            check(text, NginxPolicy::Any, None);
        }
    }

    #[test]
    fn what_an_answer_sets_has_a_code_of_its_own() {
        check("auth_request_set $user $upstream_http_x;", NginxPolicy::Directives, Some((Code::A0272, 1)));
        check("auth_request_set $server x;", NginxPolicy::Directives, Some((Code::A0272, 1)));
        check("auth_request_set $server x;", NginxPolicy::Any, None);
    }

    #[test]
    fn lines_that_break_out_are_refused_whatever_the_policy() {
        for (text, line) in [
            ("}", 1),
            ("return 204;\n} server { listen 80;", 2),
            ("if ($x) {\n return 204;", 1),
            ("return 204", 1),
            ("return 204 }", 1),
            ("add_header X \"y;\nreturn 204;", 1),
            (";", 1),
            ("{ }", 1),
            ("\nadd_header X 'a'b;", 2),
            ("return 204; # }\n}", 2),
            // An escaped `$` begins no variable: the brace opens a block.
            ("set $x a\\${; }\n}", 1),
        ] {
            for policy in [NginxPolicy::Directives, NginxPolicy::Any] {
                check(text, policy, Some((Code::A0212, line)));
            }
        }
        check("content_by_lua_block { x = '{'", NginxPolicy::Any, Some((Code::A0212, 1)));
        check("content_by_lua_block { -- }\n x = {'}', [[ } ]]} }\nroot /x;", NginxPolicy::Any, None);
        check("content_by_lua_block { } }", NginxPolicy::Any, Some((Code::A0212, 1)));
    }

    #[test]
    fn nothing_at_all_passes_where_nothing_may() {
        check(" \n", NginxPolicy::None, None);
        check("return 204;", NginxPolicy::None, Some((Code::A0210, 1)));
    }

    #[test]
    fn paths_hold_nothing_that_means_something_to_nginx() {
        assert!(["/", "/api", "= /api", "^~ /.well-known/carddav", "/a-b_c~1/%20"].into_iter().all(is_path));
        let wrong = ["", "api", "~ ^/x", "=/api", "/a b", "/a{", "/a;", "/a\"", "/a$uri", "/a#", "/ä", "= "];
        assert!(!wrong.into_iter().any(is_path));
    }
}
