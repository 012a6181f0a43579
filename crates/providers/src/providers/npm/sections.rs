//! The parts of NPM: one row a section, with its words in addresses, permissions, files and the audit log, and how the rows
//! of its hosts are read and written.

use super::api::{HostRow, NpmVersion};
use super::convert::{self, Ids, Wire};
use amarre_core::model::{Fields, Kind, Typed};
use amarre_core::resources::npm::DeadHost;

/// A part of NPM: one kind of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Proxy hosts.
    ProxyHosts,
    /// Redirection hosts.
    Redirections,
    /// 404 hosts.
    DeadHosts,
    /// Ports that are forwarded.
    Streams,
    /// Access lists.
    AccessLists,
    /// Certificates.
    Certificates,
}

/// What NPM calls a section, and how its hosts are written.
pub struct SectionRow {
    section: Section,
    kind: Kind,
    title: &'static str,
    path: &'static str,
    expand: &'static str,
    permission: &'static str,
    folder: &'static str,
    audit: Option<&'static str>,
    hosts: Option<HostForm>,
}

/// How the rows of hosts become fields, and fields become bodies.
#[derive(Clone, Copy)]
pub struct HostForm {
    /// Every account must be able to read them. NPM got the others later than accounts got their permissions, and an
    /// account that may not read them reads the rest.
    pub is_required: bool,
    /// A new one may be switched off from its first moment.
    pub may_begin_off: bool,
    /// From this version on, NPM writes a PUT of one from the row as it was before: nginx's file without its certificate, and
    /// the `meta` of before over the new one. Measured up to 2.15.1; the switches do it right.
    pub late_from: Option<(u32, u32)>,
    /// As an observation reports a row; the flag: it carries our mark.
    pub fields: fn(&HostRow, bool) -> Fields,
    /// What wanted fields are in NPM's words.
    pub wire: fn(&Fields, Ids) -> Result<Wire, String>,
    /// What a row holds in the same words.
    pub held: fn(&HostRow) -> Wire,
}

/// In the order in which they are reported.
const SECTIONS: &[SectionRow] = &[
    SectionRow {
        section: Section::ProxyHosts,
        kind: Kind::ProxyHost,
        title: "proxy hosts",
        path: "proxy-hosts",
        expand: "?expand=certificate,access_list",
        permission: "proxy_hosts",
        folder: "proxy_host",
        audit: Some("proxy-host"),
        hosts: Some(convert::PROXY_HOST),
    },
    SectionRow {
        section: Section::Redirections,
        kind: Kind::Redirection,
        title: "redirection hosts",
        path: "redirection-hosts",
        expand: "?expand=certificate",
        permission: "redirection_hosts",
        folder: "redirection_host",
        audit: Some("redirection-host"),
        hosts: Some(convert::REDIRECTION),
    },
    SectionRow {
        section: Section::DeadHosts,
        kind: Kind::DeadHost,
        title: "404 hosts",
        path: "dead-hosts",
        expand: "?expand=certificate",
        permission: "dead_hosts",
        folder: "dead_host",
        audit: Some("dead-host"),
        hosts: Some(HostForm {
            is_required: false,
            may_begin_off: false,
            late_from: Some((2, 13)),
            fields: |row, mark| DeadHost { site: convert::site(row, mark) }.fields(),
            wire: |fields, ids| Ok(convert::site_wire(&DeadHost::from_fields(fields)?.site, ids)),
            held: |row| {
                convert::held_flags(convert::site_wire(&convert::site(row, false), convert::held_ids(row)), row)
            },
        }),
    },
    SectionRow {
        section: Section::Streams,
        kind: Kind::Stream,
        title: "streams",
        path: "streams",
        expand: "",
        permission: "streams",
        folder: "stream",
        audit: Some("stream"),
        hosts: Some(convert::STREAM),
    },
    SectionRow {
        section: Section::AccessLists,
        kind: Kind::AccessList,
        title: "access lists",
        path: "access-lists",
        expand: "?expand=items,clients",
        permission: "access_lists",
        folder: "access",
        audit: Some("access-list"),
        hosts: None,
    },
    SectionRow {
        section: Section::Certificates,
        kind: Kind::Certificate,
        title: "certificates",
        path: "certificates",
        expand: "",
        permission: "certificates",
        folder: "custom_ssl",
        audit: None,
        hosts: None,
    },
];

impl Section {
    /// The section that holds a kind; `None`: NPM has no such thing.
    pub fn of_kind(kind: Kind) -> Option<Section> {
        SECTIONS.iter().find(|row| row.kind == kind).map(|row| row.section)
    }

    pub fn all() -> impl Iterator<Item = Section> {
        SECTIONS.iter().map(|row| row.section)
    }

    /// Those with hosts, and how these are read and written.
    pub fn with_hosts() -> impl Iterator<Item = (Section, HostForm)> {
        SECTIONS.iter().filter_map(|row| Some((row.section, row.hosts?)))
    }

    /// Whether its rows are hosts.
    pub fn has_hosts(self) -> bool {
        self.row().hosts.is_some()
    }

    fn row(self) -> &'static SectionRow {
        // The rows stand in the order of the variants: a test holds that.
        &SECTIONS[self as usize]
    }

    /// The kind of resource that it holds.
    pub fn kind(self) -> Kind {
        self.row().kind
    }

    /// How its hosts are read and written; `None`: it holds none.
    pub fn hosts(self) -> Option<HostForm> {
        self.row().hosts
    }

    /// Whether this version writes a PUT of its hosts from the row of before.
    pub fn is_late(self, version: NpmVersion) -> bool {
        let from = self.hosts().and_then(|form| form.late_from);
        from.is_some_and(|from| (version.major, version.minor) >= from)
    }

    /// Whether its hosts are known by a port, and not by names.
    pub fn is_by_port(self) -> bool {
        !self.kind().has_host_names()
    }

    /// What NPM's pages call its rows, also among the permissions of a user.
    pub fn title(self) -> &'static str {
        self.row().title
    }

    /// In addresses.
    pub fn path(self) -> &'static str {
        self.row().path
    }

    /// What is asked for with each row; anything else NPM answers with 500.
    pub fn expand(self) -> &'static str {
        self.row().expand
    }

    /// In a user's permissions.
    pub fn permission(self) -> &'static str {
        self.row().permission
    }

    /// The folder of its nginx files.
    pub fn folder(self) -> &'static str {
        self.row().folder
    }

    /// In the audit log; `None`: the log does not have it.
    pub fn audit(self) -> Option<&'static str> {
        self.row().audit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_of_the_section_at_its_place() {
        for (index, row) in SECTIONS.iter().enumerate() {
            assert_eq!(row.section as usize, index, "{}", row.path);
        }
        assert_eq!(SECTIONS.len(), Section::Certificates as usize + 1, "a row for each");
    }
}
