//! What lines of nginx's configuration put out of force of that which NPM writes itself. Pure.
//!
//! NPM writes `location / { … }` with the access list, the proxy, the redirection or the 404, and copies the lines before it.
//!
//! | in the lines of a site | then |
//! |---|---|
//! | `location / {`, as NPM looks for it in the bare text, a comment or a quoted text too | NPM leaves its own block out |
//! | a `location` for `/` that NPM does not see | nginx refuses the site, for there are two |
//! | a pattern for every path | nginx asks it before NPM's block |
//! | any other `location` | it answers without the access list, and forwards only if it says so |
//! | a directive that NPM's block has as well | nginx does not hand it down into that block |
//!
//! Whether a block repeats the lines of an access list cannot be known: NPM numbers the file of its users, and changes both
//! with the list. So beside a list only those pass that do nothing but `return` or `deny all`.

use crate::model::Text;
use crate::resources::npm::own_block;
use crate::text;

use super::nginx::{Lexer, NginxToken};
use super::patterns;
use crate::manifest::yaml::diagnostic::shown;

/// What NPM writes around the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnBlock {
    /// Around those of a proxy host.
    Proxy,
    /// Around those of a redirection.
    Redirection,
    /// Around those of a 404 host.
    NotFound,
    /// They stand in the block of a path that forwards elsewhere.
    Path,
}

/// Where lines stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinesPlace {
    pub own: OwnBlock,
    /// An access list guards the site.
    pub has_list: bool,
    pub has_hsts: bool,
}

/// Something about a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineFault {
    /// From 1, in the lines.
    pub line: usize,
    /// Lowercase, no full stop.
    pub message: Text,
    pub hint: Text,
}

/// A path that no pattern is written for: what fits it fits all.
const ANY_PATH: &str = "/~!~";

/// What takes away what NPM writes itself. The lines are well-formed.
pub(crate) fn conflict(lines: &str, place: LinesPlace) -> Option<LineFault> {
    let all = directives(lines);
    for directive in &all {
        if let Some(fault) = of_location(&all, directive, place).or_else(|| before_the_list(directive, place)) {
            return Some(fault);
        }
    }
    let line = Some(place.own).filter(|own| *own != OwnBlock::Path).and_then(|_| own_block::root_location(lines))?;
    let message =
        text!("NPM takes `location / {sign}` in a comment or a text for a block, and leaves its own out", sign = "{");
    Some(LineFault { line, message, hint: text!("write it in other words: NPM looks for it in the bare text") })
}

fn of_location(all: &[Directive], directive: &Directive, place: LinesPlace) -> Option<LineFault> {
    let location = directive.location()?;
    let block = directive.head();
    let fault = |message: Text, hint: Text| Some(LineFault { line: directive.line, message, hint });
    if location.is_every_path() || location.is_front_page() && !directive.answers(all) {
        let message = match (place.own, place.has_list) {
            (OwnBlock::Proxy, false) => {
                text!("`{block}` takes the place of NPM's own `location /`, which forwards to `to`", block)
            }
            (OwnBlock::Proxy, true) => text!(
                "`{block}` takes the place of NPM's own `location /`, which asks the access list and forwards to `to`",
                block
            ),
            (OwnBlock::Redirection, _) => {
                text!("`{block}` takes the place of NPM's own `location /`, which redirects to `to`", block)
            }
            (OwnBlock::NotFound, _) => {
                text!("`{block}` takes the place of NPM's own `location /`, which answers 404", block)
            }
            (OwnBlock::Path, _) => {
                text!("`{block}` takes the place of the block that it stands in, which forwards to `to`", block)
            }
        };
        let hint = match place.own {
            OwnBlock::Proxy => {
                text!(
                    "leave the block out and write its lines alone; a path that leads elsewhere is one of `locations:`"
                )
            }
            OwnBlock::Redirection | OwnBlock::NotFound => {
                text!("leave the block out and write its lines alone; kind `Route` forwards")
            }
            OwnBlock::Path => text!("leave the block out and write its lines alone"),
        };
        return fault(message, hint);
    }
    if place.has_list && !directive.only_refuses(all) {
        let message =
            text!("`{block}` answers without the access list, which NPM writes into blocks of its own only", block);
        return fault(
            message,
            text!("use `locations:`, which the access list guards too; a block here may only `return` or `deny all`"),
        );
    }
    None
}

/// In the block of a path, the lines come first: the first `allow` or `deny` that fits decides.
fn before_the_list(directive: &Directive, place: LinesPlace) -> Option<LineFault> {
    let is_of_list = matches!(directive.name(), "allow" | "satisfy" | "auth_basic");
    if !place.has_list || place.own != OwnBlock::Path || !is_of_list {
        return None;
    }
    let message =
        text!("`{directive}` stands before the lines of the access list, and decides", directive = directive.head());
    let hint = text!("say it in the access list, or give this path a route of its own");
    Some(LineFault { line: directive.line, message, hint })
}

/// What does less than it seems to. The lines are well-formed.
pub(crate) fn without_effect(lines: &str, place: LinesPlace) -> Vec<LineFault> {
    let all = directives(lines);
    all.iter().filter_map(|directive| less_than_it_seems(&all, directive, place)).collect()
}

fn less_than_it_seems(all: &[Directive], directive: &Directive, place: LinesPlace) -> Option<LineFault> {
    let (line, head) = (directive.line, directive.head());
    if directive.location().is_some() {
        if directive.answers(all) {
            return None;
        }
        let message =
            text!("nothing in `{block}` answers: nginx looks into its own folder, and forwards nothing", block = head);
        let hint = text!("write its lines without the block, or use `locations:`");
        return Some(LineFault { line, message, hint });
    }
    if directive.parent.is_some() || place.own == OwnBlock::Path {
        return None;
    }
    let is_proxy = place.own == OwnBlock::Proxy;
    let hint = match directive.name() {
        "add_header" if is_proxy || place.has_hsts => {
            text!("{line} holds for all of the site", line = "`more_set_headers \"Name: value\";`")
        }
        "add_header"
            if place.own == OwnBlock::NotFound && directive.words.last().is_none_or(|last| last != "always") =>
        {
            let message = text!("`{directive}` is not sent with a 404", directive = head);
            return Some(LineFault { line, message, hint: text!("end it with `always`") });
        }
        "proxy_set_header" if is_proxy => text!("it holds in `advanced` of `locations:`; NPM sets its own for `/`"),
        "allow" | "deny" | "satisfy" | "auth_basic" if is_proxy && place.has_list => text!("say it in the access list"),
        _ => return None,
    };
    let message = text!(
        "`{directive}` has no effect on `/`: NPM's own block has such lines, and takes none from outside",
        directive = head
    );
    Some(LineFault { line, message, hint })
}

/// One directive, with the place of the one in whose block it stands.
#[derive(Debug)]
struct Directive {
    words: Vec<String>,
    line: usize,
    parent: Option<usize>,
    at: usize,
}

/// What a `location` is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LocationName<'a> {
    Prefix(&'a str),
    Exact(&'a str),
    Pattern(&'a str),
    /// Only other directives lead there.
    Named,
}

impl LocationName<'_> {
    /// It stands for all that NPM's own block is for.
    fn is_every_path(self) -> bool {
        match self {
            Self::Prefix(path) => path == "/",
            Self::Pattern(pattern) => fits(pattern, ANY_PATH),
            Self::Exact(_) | Self::Named => false,
        }
    }

    fn is_front_page(self) -> bool {
        match self {
            Self::Exact(path) => path == "/",
            Self::Pattern(pattern) => fits(pattern, "/"),
            Self::Prefix(_) | Self::Named => false,
        }
    }
}

/// Whether a pattern fits a path; one that cannot be read is taken to fit, unless it begins with a path of its own.
fn fits(pattern: &str, path: &str) -> bool {
    let unnamed = unnamed(pattern);
    patterns::matches(&unnamed, path).unwrap_or_else(|| {
        let own = unnamed.strip_prefix("^/").and_then(|rest| rest.chars().next());
        !own.is_some_and(|sign| sign.is_ascii_alphanumeric())
    })
}

/// A pattern without the names of its groups.
fn unnamed(pattern: &str) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find("(?") {
        let (before, group) = rest.split_at(at);
        text.push_str(before);
        let named = [("(?<", '>'), ("(?P<", '>'), ("(?'", '\'')].into_iter().find_map(|(start, end)| {
            let name = group.strip_prefix(start).filter(|name| !name.starts_with(['=', '!']))?;
            name.split_once(end).map(|(_, rest)| rest)
        });
        text.push_str(if named.is_some() { "(" } else { "(?" });
        rest = named.unwrap_or(&group[2..]);
    }
    text + rest
}

impl Directive {
    fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Its first words, as people find it again: `location ^~ /x`.
    fn head(&self) -> String {
        shown(&self.words.join(" "))
    }

    fn location(&self) -> Option<LocationName<'_>> {
        let [name, rest @ ..] = self.words.as_slice() else { return None };
        if name != "location" {
            return None;
        }
        let of = |sign: &str, text| match sign {
            "=" => LocationName::Exact(text),
            "~" | "~*" => LocationName::Pattern(text),
            _ => LocationName::Prefix(text),
        };
        match rest {
            [sign, path] => Some(of(sign, path)),
            [path] if path.starts_with('@') => Some(LocationName::Named),
            [path] => {
                let mut signs = ["=", "^~", "~*", "~"].into_iter();
                let found = signs.find_map(|sign| Some((sign, path.strip_prefix(sign)?)));
                Some(found.map_or(LocationName::Prefix(path), |(sign, rest)| of(sign, rest)))
            }
            _ => None,
        }
    }

    fn inside<'a>(&self, all: &'a [Directive]) -> impl Iterator<Item = &'a Directive> {
        let at = self.at;
        all.iter().filter(move |directive| directive.parent == Some(at))
    }

    /// Whether something in its block, at any depth, says what the answer is.
    fn answers(&self, all: &[Directive]) -> bool {
        self.inside(all).any(|directive| {
            let name = directive.name();
            let is_answer = ANSWERS.contains(&name) || name.ends_with("_pass") || name.contains("_by_lua");
            is_answer || directive.refuses() || directive.answers(all)
        })
    }

    fn refuses(&self) -> bool {
        self.name() == "deny" && self.words.get(1).is_some_and(|whom| whom == "all")
    }

    /// Whether its block hands nothing out but what it says itself.
    fn only_refuses(&self, all: &[Directive]) -> bool {
        let mut inside = self.inside(all).peekable();
        inside.peek().is_some() && inside.all(|directive| directive.name() == "return" || directive.refuses())
    }
}

/// Beside those that end with `_pass`, and Lua.
const ANSWERS: [&str; 13] = [
    "return",
    "rewrite",
    "try_files",
    "alias",
    "root",
    "index",
    "autoindex",
    "empty_gif",
    "stub_status",
    "js_content",
    "include",
    "perl",
    "dav_methods",
];

/// Every directive of well-formed lines, in order.
fn directives(lines: &str) -> Vec<Directive> {
    let mut lexer = Lexer::of(lines);
    let (mut all, mut words, mut line, mut open) = (Vec::new(), Vec::new(), 1, Vec::new());
    while let Ok(token) = lexer.next() {
        match token {
            NginxToken::Word(word) => {
                if words.is_empty() {
                    line = word.line;
                }
                words.push(word.text);
            }
            NginxToken::End | NginxToken::Open => {
                let at = all.len();
                let directive = Directive { words: std::mem::take(&mut words), line, parent: open.last().copied(), at };
                let is_lua = directive.name().ends_with("_by_lua_block");
                all.push(directive);
                match (token, is_lua) {
                    (NginxToken::Open, true) => drop(lexer.skip_lua()),
                    (NginxToken::Open, false) => open.push(at),
                    _ => (),
                }
            }
            NginxToken::Close => {
                open.pop();
                words.clear();
            }
            NginxToken::Nothing => break,
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(own: OwnBlock, has_list: bool) -> LinesPlace {
        LinesPlace { own, has_list, has_hsts: false }
    }

    #[track_caller]
    fn is_refused(lines: &str, own: OwnBlock, has_list: bool) -> bool {
        conflict(lines, place(own, has_list)).is_some()
    }

    #[test]
    fn what_takes_the_place_of_the_root_location_is_refused_in_each_form() {
        for lines in [
            "location / { proxy_set_header X 1; }",
            "location / {\n  proxy_pass $forward_scheme://$server:$port;\n}",
            "location /{ return 200; }",
            "location\n  /\n{ return 200; }",
            "gzip on; location / { return 200; }",
            "gzip on;location /{ return 200; }",
            "location /a { return 204; } location / { return 200; }",
            "location \"/\" { return 200; }",
            "location '/' { return 200; }",
            "location / # all\n{ return 200; }",
            "location ^~ / { return 200; }",
            "location ^~/ { return 200; }",
            "location ~ / { return 200; }",
            "location ~ ^ { return 200; }",
            "location ~* ^/ { return 200; }",
            "location ~ .* { return 200; }",
            "location ~ ^/.+ { return 200; }",
            "location ~ ^/(.*)$ { return 200; }",
            "location ~ \"^/[^/]*$\" { return 200; }",
            "location ~ ^/(?<all>.*)$ { return 200; }",
            "location ~ (?!/api) { return 200; }",
            "location = / { expires 1d; }",
            "location =/ { expires 1d; }",
            "location ~ ^/$ { expires 1d; }",
            "if ($x) { set $y 1; }\nlocation / { return 200; }",
        ] {
            for own in [OwnBlock::Proxy, OwnBlock::Redirection, OwnBlock::NotFound, OwnBlock::Path] {
                assert!(is_refused(lines, own, false), "{lines} {own:?}");
            }
        }
    }

    #[test]
    fn what_npm_takes_for_one_in_a_comment_or_a_text_is_refused_too() {
        for lines in [
            "# before; location / {",
            "#;LOCATION\t/\u{a0}{",
            "location/{ return 200; }",
            "add_header X \"a;location / {\";",
            "add_header X \"\nlocation / {\";",
            "add_header X \"\r location / {\" always;",
            "gzip on; # x\u{2028}location / {",
        ] {
            assert!(is_refused(lines, OwnBlock::Proxy, false), "{lines:?}");
            assert!(!is_refused(lines, OwnBlock::Path, false), "{lines:?}: it looks into the lines of sites only");
        }
        for lines in [
            "# location / {",
            "add_header X \"location / {\";",
            "# see location / { }",
            "#; location /x {",
            "#; my_location / {",
        ] {
            assert!(!is_refused(lines, OwnBlock::Proxy, true), "{lines:?}");
        }
    }

    #[test]
    fn other_locations_pass_where_no_list_guards() {
        for lines in [
            "location = / { return 302 /web/; }",
            "location = /robots.txt { return 200 \"x\"; }",
            "location ^~ /api/ { proxy_pass http://10.0.0.1; }",
            "location ~ \\.(css|js)$ { expires 1d; }",
            "location ~ ^/u/(?<name>[a-z]+)$ { return 204; }",
            "location ~* ^/(wp-admin|xmlrpc\\.php) { deny all; }",
            "location @sign_in { return 302 /in; }",
            "location /x { location /x/y { return 204; } }",
            "location \"\" { return 204; }",
            "proxy_read_timeout 1h;",
        ] {
            assert!(!is_refused(lines, OwnBlock::Proxy, false), "{lines}");
        }
    }

    #[test]
    fn beside_an_access_list_a_location_may_only_refuse() {
        for lines in [
            "location = /x { proxy_pass http://10.0.0.1; }",
            "location /api { client_max_body_size 1g; }",
            "location ~ \\.php$ { auth_basic off; return 200 x; }",
            "location @open { proxy_pass http://10.0.0.1; }",
            "location /x { auth_basic_user_file /data/access/1; auth_basic x; proxy_pass http://10.0.0.1; }",
            "location /x { }",
            "location /x { if ($a) { return 204; } }",
        ] {
            assert!(is_refused(lines, OwnBlock::Proxy, true), "{lines}");
            assert!(is_refused(lines, OwnBlock::Path, true), "{lines}");
        }
        for lines in ["location /x { deny all; }", "location = /old { return 301 /new; }", "allow all;", "gzip on;"] {
            assert!(!is_refused(lines, OwnBlock::Proxy, true), "{lines}");
        }
        for lines in ["allow all;", "satisfy any;", "limit_except GET { allow all; }", "auth_basic off;"] {
            assert!(is_refused(lines, OwnBlock::Path, true), "{lines}");
            assert!(!is_refused(lines, OwnBlock::Path, false), "{lines}");
        }
    }

    #[test]
    fn what_npms_block_does_not_take_from_outside_is_told() {
        let told = |lines: &str, place: LinesPlace| -> Vec<usize> {
            without_effect(lines, place).into_iter().map(|fault| fault.line).collect()
        };
        let lines = "add_header X-A 1;\nproxy_set_header X-B 1;\ngzip on;\nallow all;\nlocation /x { expires 1d; }\n";
        assert_eq!(told(lines, place(OwnBlock::Proxy, false)), [1, 2, 5]);
        assert_eq!(told(lines, place(OwnBlock::Proxy, true)), [1, 2, 4, 5]);
        assert_eq!(told(lines, place(OwnBlock::Redirection, false)), [5]);
        assert_eq!(told(lines, LinesPlace { has_hsts: true, ..place(OwnBlock::Redirection, false) }), [1, 5]);
        assert_eq!(told(lines, place(OwnBlock::NotFound, false)), [1, 5]);
        assert_eq!(told("add_header X-A 1 always;", place(OwnBlock::NotFound, false)), [] as [usize; 0]);
        assert_eq!(
            told(
                "more_set_headers 'X-A: 1'; location /x { add_header A 1; return 204; }",
                place(OwnBlock::Proxy, true)
            ),
            [] as [usize; 0]
        );
        assert_eq!(told("add_header X-A 1;", place(OwnBlock::Path, false)), [] as [usize; 0]);
    }
}
