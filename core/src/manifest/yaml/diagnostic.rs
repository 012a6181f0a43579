//! What is wrong with a manifest, and where. Values, never failures: a broken document yields diagnostics.
//!
//! Codes are never re-used and never change meaning; each has its page in `docs/errors`.

use crate::model::words;

/// The text is not YAML.
pub const A0101: &str = "A0101";
/// A key stands twice in one map.
pub const A0102: &str = "A0102";
/// A key that nothing knows.
pub const A0103: &str = "A0103";
/// A value of the wrong type.
pub const A0104: &str = "A0104";
/// A key that must be there is not.
pub const A0105: &str = "A0105";
/// A value that is not allowed.
pub const A0106: &str = "A0106";
/// Not a host name.
pub const A0107: &str = "A0107";
/// A limit is exceeded.
pub const A0108: &str = "A0108";
/// A kind that nothing knows.
pub const A0109: &str = "A0109";
/// A variable that nothing defines.
pub const A0110: &str = "A0110";
/// A reference to a container, sibling or host that is not there.
pub const A0111: &str = "A0111";
/// A Compose key that has no meaning here.
pub const A0112: &str = "A0112";
/// Something that a later version will know.
pub const A0113: &str = "A0113";
/// A Compose file where a manifest was expected.
pub const A0114: &str = "A0114";
/// An alias or a merge key that leads nowhere.
pub const A0115: &str = "A0115";
/// Two manifests have one name.
pub const A0120: &str = "A0120";
/// Two manifests want one domain.
pub const A0121: &str = "A0121";
/// Two manifests want one DNS record.
pub const A0122: &str = "A0122";
/// Two containers publish one port.
pub const A0123: &str = "A0123";
/// Two networks overlap.
pub const A0124: &str = "A0124";
/// An image without a tag, or with `latest`.
pub const A0131: &str = "A0131";
/// A name where nginx needs an address.
pub const A0170: &str = "A0170";
/// Two streams want one port.
pub const A0171: &str = "A0171";
/// Things wait for one another in a circle.
pub const A0172: &str = "A0172";
/// Something is waited for to end that never does.
pub const A0173: &str = "A0173";
/// A key that means nothing for what runs once.
pub const A0174: &str = "A0174";
/// Two keys of a container contradict each other.
pub const A0140: &str = "A0140";
/// A file that a manifest names is not in the source.
pub const A0150: &str = "A0150";
/// A path leads out of the source.
pub const A0151: &str = "A0151";
/// A file of variables cannot be read.
pub const A0152: &str = "A0152";
/// A variable of a Compose file is not set.
pub const A0153: &str = "A0153";
/// A Compose file demands a variable.
pub const A0154: &str = "A0154";
/// Compose files that include or extend one another in a circle.
pub const A0155: &str = "A0155";
/// Something of a whole Compose file that one service cannot be.
pub const A0156: &str = "A0156";
/// A file that cannot be delivered into a container.
pub const A0157: &str = "A0157";
/// A name in a Compose file that is not used.
pub const A0158: &str = "A0158";
/// A secret of a Compose file that is none.
pub const A0159: &str = "A0159";
/// Labels, environment and commands come to too much.
pub const A0162: &str = "A0162";
/// nginx's lines come to too much.
pub const A0163: &str = "A0163";
/// All manifests together have too many host names.
pub const A0164: &str = "A0164";
/// A manifest opens files too often.
pub const A0180: &str = "A0180";
/// The files that a manifest names hold too many values.
pub const A0181: &str = "A0181";
/// The files that a manifest names are too long together.
pub const A0182: &str = "A0182";
/// Something in a Compose file that has no effect on one host.
pub const A0185: &str = "A0185";
/// A port of a Compose file that no port of the host leads to.
pub const A0186: &str = "A0186";
/// A `$` in a Compose file that begins no variable.
pub const A0187: &str = "A0187";
/// A name that stands twice in a list of a Compose file.
pub const A0188: &str = "A0188";
/// An override of a Compose file that is not read.
pub const A0189: &str = "A0189";
/// A value without quotes that `docker compose` writes anew.
pub const A0190: &str = "A0190";
/// A command written as text that means a shell.
pub const A0191: &str = "A0191";
/// A restart policy of a Compose file that restarts nothing.
pub const A0192: &str = "A0192";
/// Policy forbids access to the host.
pub const A0205: &str = "A0205";
/// Policy forbids an image.
pub const A0206: &str = "A0206";
/// Policy forbids a record type.
pub const A0208: &str = "A0208";
/// The host has no Nginx Proxy Manager.
pub const A0209: &str = "A0209";
/// Policy forbids nginx's lines altogether.
pub const A0210: &str = "A0210";
/// Policy forbids a directive of nginx.
pub const A0211: &str = "A0211";
/// nginx's lines do not stand by themselves.
pub const A0212: &str = "A0212";
/// Policy forbids a capability.
pub const A0215: &str = "A0215";
/// A certificate for a record in the DNS, and no key with which NPM could write one.
pub const A0216: &str = "A0216";
/// A manifest names a credential of Amarre's own.
pub const A0260: &str = "A0260";
/// The source of a bind has a sign in it that Docker takes for the end of it.
pub const A0261: &str = "A0261";
/// A bind that only an older default of `policy.host_paths` allowed.
pub const A0262: &str = "A0262";
/// Policy forbids a volume driver, or options of one.
pub const A0263: &str = "A0263";
/// Policy forbids a volume of others.
pub const A0264: &str = "A0264";
/// Policy forbids a network that no manifest defines.
pub const A0265: &str = "A0265";
/// Policy forbids a runtime.
pub const A0266: &str = "A0266";
/// Policy forbids a log driver.
pub const A0267: &str = "A0267";
/// Policy forbids a setting by which a container takes from the host.
pub const A0268: &str = "A0268";
/// The id of an image where its name is wanted.
pub const A0269: &str = "A0269";
/// Policy forbids a secret that is not called after the service.
pub const A0270: &str = "A0270";
/// Policy forbids a target of a route or stream.
pub const A0271: &str = "A0271";
/// Policy forbids `auth_request_set`.
pub const A0272: &str = "A0272";
/// Policy forbids a subnet outside of the pools.
pub const A0273: &str = "A0273";
/// A secret is found only where secrets were kept before.
/// Policy forbids a host name that Amarre's configuration works with.
pub const A0275: &str = "A0275";
/// Policy forbids a host name that programs look for by themselves.
pub const A0276: &str = "A0276";
/// Policy forbids a name of a container by which something else would be found.
pub const A0277: &str = "A0277";
/// Policy forbids a port of the host below 1024.
pub const A0278: &str = "A0278";
/// A port of the host is kept for NPM, Docker or Amarre.
pub const A0279: &str = "A0279";
/// A name that is Amarre's own.
pub const A0280: &str = "A0280";
/// A TXT value that is a mark.
pub const A0281: &str = "A0281";
/// Policy forbids a name with a meaning for the whole domain.
pub const A0282: &str = "A0282";
/// Policy forbids CAA.
pub const A0283: &str = "A0283";
/// Policy forbids a record at a domain itself, or at a wildcard.
pub const A0284: &str = "A0284";
/// Networks would leave services too little of the pools.
pub const A0285: &str = "A0285";
/// Policy forbids lines of nginx's configuration that would keep nginx from other sites.
pub const A0286: &str = "A0286";
/// Policy forbids a record at a name of another manifest.
pub const A0287: &str = "A0287";
/// Policy forbids a name by which a container of another service is reached.
pub const A0288: &str = "A0288";
/// Policy forbids the name that an update of another service's container needs.
pub const A0289: &str = "A0289";

/// More of one document are dropped: nobody reads them all, and they follow from one another.
pub(crate) const PROBLEMS_MAX: usize = 200;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The document is not used.
    Error,
    /// It is used.
    Warning,
}

impl Severity {
    /// The word on screen.
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// `A0103`.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// As shown.
    pub file: String,
    /// From 1; 0: it is about the file as a whole.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// From 1; 0: it is about the file as a whole.
    pub end_line: usize,
    /// From 1, in characters; the first one that is not part of it.
    pub end_column: usize,
    /// Lowercase, no full stop.
    pub message: String,
    /// What to do, or where to look.
    pub hint: Option<String>,
    /// Whose manifest, where that is known.
    pub service: Option<String>,
}

/// A place in a file: lines and columns from 1, columns in characters, the end not included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    /// 0 is the manifest's own, others are those that it names: see `files.rs`.
    pub file: u16,
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
}

impl Spot {
    /// One character wide.
    pub fn at(line: usize, column: usize) -> Self {
        Self { file: 0, line, column, end_line: line, end_column: column + 1 }
    }

    /// One character wide, in another file.
    pub fn within(file: u16, line: usize, column: usize) -> Self {
        Self { file, ..Self::at(line, column) }
    }
}

/// A diagnostic before it is known whose it is.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub code: &'static str,
    pub severity: Severity,
    pub spot: Spot,
    pub message: String,
    pub hint: Option<String>,
}

impl Problem {
    pub fn error(code: &'static str, spot: Spot, message: String) -> Self {
        Self { code, severity: Severity::Error, spot, message, hint: None }
    }

    pub fn warning(code: &'static str, spot: Spot, message: String) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, spot, message) }
    }

    #[must_use]
    pub fn hint(mut self, hint: String) -> Self {
        self.hint = Some(hint);
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// With its owner; the place is kept inside the file.
    pub fn finish(self, file: &str, widths: &Widths, service: Option<&str>) -> Diagnostic {
        let (line, column) = widths.clamp(self.spot.line, self.spot.column);
        let end = widths.clamp(self.spot.end_line, self.spot.end_column);
        let (end_line, end_column) = end.max((line, column));
        Diagnostic {
            code: self.code,
            severity: self.severity,
            file: file.to_owned(),
            line,
            column,
            end_line,
            end_column,
            message: self.message,
            hint: self.hint,
            service: service.map(str::to_owned),
        }
    }
}

/// How many characters each line of a file has.
pub(crate) struct Widths(Vec<usize>);

impl Widths {
    pub fn of(text: &str) -> Self {
        Self(lines(text).map(|line| line.chars().count()).collect())
    }

    /// The nearest place that exists; one past the end of a line is one.
    fn clamp(&self, line: usize, column: usize) -> (usize, usize) {
        match self.0.get(line.max(1) - 1) {
            Some(width) => (line.max(1), column.clamp(1, width + 1)),
            None => (self.0.len().max(1), self.0.last().map_or(1, |width| width + 1)),
        }
    }
}

/// The lines of a text as YAML counts them: `\n`, `\r\n` and `\r` end one.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let from = rest?;
        let Some(end) = from.find(['\n', '\r']) else {
            rest = None;
            return Some(from);
        };
        let width = if from[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&from[end + width..]);
        Some(&from[..end])
    })
}

/// User text inside a message: short, without a URL's password and characters that act on a terminal.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let login = text.find("://").and_then(|at| Some((at + 3, text.rfind('@')?)));
    let masked = match login {
        Some((start, end)) if start < end => format!("{}(hidden){}", &text[..start], &text[end..]),
        Some(_) | None => text.to_owned(),
    };
    words::cut(&words::masked(&masked), SHOWN_MAX)
}

impl Diagnostic {
    /// Something in the source that is not taken; found by whoever reads it. What could not be read is an error.
    pub fn left_out(code: &'static str, is_unread: bool, file: &str, message: &str, hint: &str) -> Self {
        Self {
            code,
            severity: if is_unread { Severity::Error } else { Severity::Warning },
            file: file.to_owned(),
            line: 0,
            column: 0,
            end_line: 0,
            end_column: 0,
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
            service: None,
        }
    }

    /// A manifest names a secret that is set nowhere; found by whoever resolves secrets.
    pub fn missing_secret(service: &str, origin: &crate::model::Origin, message: String, hint: String) -> Self {
        Self {
            code: "A0207",
            severity: Severity::Error,
            file: origin.file.clone(),
            line: origin.line,
            column: origin.column,
            end_line: origin.line,
            end_column: origin.column,
            message,
            hint: Some(hint),
            service: Some(service.to_owned()),
        }
    }
}
