//! Which requests a person's nginx lines answer themselves, in place of what NPM writes into a site. Knows the `location`s of
//! a site that compare a path, and of what stands in them `return`, `deny all` and the proxy.

/// A `location` of the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub path: String,
    /// `= /path`: this path and no other.
    pub exact: bool,
    pub deed: Deed,
}

/// What a block does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    Return {
        code: u16,
        text: String,
    },
    Deny,
    /// To the target of the host, as NPM's own block does, and without the access list.
    Forward,
    /// Nothing in it answers: nginx looks into its own folder.
    Folder,
}

/// The blocks of well-formed lines, outermost only.
pub(super) fn blocks(config: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for token in tokens(config) {
        match token.as_str() {
            "{" => {
                let block = if open.is_empty() { block(&words) } else { None };
                open.push(block.map(|block| {
                    found.push(block);
                    found.len() - 1
                }));
                words.clear();
            }
            "}" => drop(open.pop()),
            ";" => {
                let inside = match open.as_slice() {
                    [Some(at)] => found.get_mut(*at),
                    _ => None,
                };
                if let (Some(block), Some(deed)) = (inside, deed(&words)) {
                    block.deed = deed;
                }
                words.clear();
            }
            word => words.push(word.to_owned()),
        }
    }
    found
}

fn block(words: &[String]) -> Option<Block> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (path, exact) = match words.as_slice() {
        ["location", "=", path] => (*path, true),
        ["location", path] if path.starts_with('=') => (&path[1..], true),
        ["location", "^~", path] => (*path, false),
        ["location", path] if path.starts_with('/') => (*path, false),
        _ => return None,
    };
    Some(Block { path: path.to_owned(), exact, deed: Deed::Folder })
}

fn deed(words: &[String]) -> Option<Deed> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["return", code, text @ ..] => {
            Some(Deed::Return { code: code.parse().ok()?, text: text.first().copied().unwrap_or_default().to_owned() })
        }
        ["deny", "all"] => Some(Deed::Deny),
        ["proxy_pass", ..] => Some(Deed::Forward),
        _ => None,
    }
}

/// Words, and each `;`, `{` and `}` that ends one.
fn tokens(config: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut signs = config.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            ';' | '{' | '}' => tokens.push(sign.to_string()),
            '#' => while signs.next_if(|next| *next != '\n').is_some() {},
            blank if blank.is_whitespace() => (),
            quote @ ('"' | '\'') => tokens.push(signs.by_ref().take_while(|next| *next != quote).collect()),
            first => {
                let mut word = String::from(first);
                while let Some(next) = signs.next_if(|next| !next.is_whitespace() && !";{".contains(*next)) {
                    word.push(next);
                }
                tokens.push(word);
            }
        }
    }
    tokens
}

/// Whether NPM leaves its own `location /` out: the bare text has one that begins a line or follows a `;`. Comments and
/// quoted texts count as the rest.
pub(super) fn leaves_own_out(config: &str) -> bool {
    let text = config.to_ascii_lowercase();
    let mut pieces = text.split("location").peekable();
    let mut begins = true;
    while let Some(before) = pieces.next() {
        let blank = before.trim_end();
        begins = match blank.chars().last() {
            Some(';') => true,
            Some(_) => before[blank.len()..].contains(['\n', '\r', '\u{2028}', '\u{2029}']),
            None => begins || before.contains(['\n', '\r', '\u{2028}', '\u{2029}']),
        };
        let after = pieces.peek().and_then(|after| after.trim_start().strip_prefix('/'));
        if begins && after.is_some_and(|after| after.trim_start().starts_with('{')) {
            return true;
        }
        begins = false;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bare_text_decides() {
        for config in [
            "location / {}",
            "gzip on;location/{",
            "# a; LOCATION / {",
            "x\n location\n/\n{",
            "add_header X \";location / {\";",
        ] {
            assert!(leaves_own_out(config), "{config}");
        }
        for config in [
            "",
            "# location / {",
            "} location / {",
            "location /x {",
            "location = / {",
            "location ^~ / {",
            "my_location / {",
        ] {
            assert!(!leaves_own_out(config), "{config}");
        }
    }

    #[test]
    fn blocks_are_known_with_what_answers_in_them() {
        let config = "gzip on;\nlocation = /a { return 204; }\nlocation ^~ /b { if ($x) { return 1; } expires 1d; }\n\
                      location / { proxy_pass http://$server; }\nlocation \"/c\" { deny all; }";
        let deeds: Vec<(String, bool, Deed)> =
            blocks(config).into_iter().map(|block| (block.path, block.exact, block.deed)).collect();
        let gone = Deed::Return { code: 204, text: String::new() };
        let expected =
            [("/a", true, gone), ("/b", false, Deed::Folder), ("/", false, Deed::Forward), ("/c", false, Deed::Deny)];
        assert_eq!(deeds, expected.map(|(path, exact, deed)| (path.to_owned(), exact, deed)));
    }
}
