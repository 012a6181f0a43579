//! What each kind of resource is: one row a kind. The planner asks the row; where it names a kind instead, it says why.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::address::AddressError;
use super::time::{Millis, Timestamp};

/// What a resource is. The order is the order of safety on the way up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A Docker network.
    Network,
    /// NPM's container on a network.
    Attachment,
    /// A Docker volume.
    Volume,
    /// A Docker image; never owned.
    Image,
    /// One generation of a container.
    Container,
    /// A DNS zone; observed, never changed.
    Zone,
    /// A DNS record set: all values of one name and type.
    Record,
    /// A certificate in NPM.
    Certificate,
    /// An access list in NPM.
    AccessList,
    /// A proxy host in NPM.
    ProxyHost,
    /// A redirection host in NPM.
    Redirection,
    /// A 404 host in NPM.
    DeadHost,
    /// A port that NPM forwards.
    Stream,
    /// A server at a cloud that was there before its manifest; it goes by the vendor's id.
    Instance,
    /// A server at a cloud that Amarre makes; it goes by the name of its manifest.
    Server,
    /// A machine of a pool; observed, never changed. It goes by `pool/machine`.
    Machine,
    /// An account on one, for the time of a reservation. It goes by `pool/machine/user`.
    Account,
}

/// What the planner needs to know of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindTraits {
    /// Which kind.
    pub kind: Kind,
    /// The word in addresses.
    pub word: &'static str,
    /// Place on the way down: smaller goes first.
    pub down_rank: u8,
    /// Where visitors come in by it; `None`: they do not.
    pub entry: Option<VisitorEntry>,
    /// Its fields name the address and port that it forwards to.
    pub forwards: bool,
    /// Something of a proxy may point at it, so that it stays while a proxy cannot be observed.
    pub is_pointed_at: bool,
    /// An engine takes it down when it stops and brings it back when it starts.
    pub comes_back_with_engine: bool,
    /// When it may be deleted.
    pub removal: Removal,
    /// How Amarre takes over one that somebody else made.
    pub adoption: Adoption,
    /// In which part of its provider it is.
    pub scope: ResourceScope,
    /// When one is created again after a create of which no outcome is known.
    pub settling: Settling,
    /// The vendor bills it from its create on.
    pub costs_money: bool,
}

/// In which part of its provider a resource is, and how its name says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceScope {
    /// In no part: only a gap of the whole provider hides it.
    Anywhere,
    /// In the DNS zone that holds its name.
    InZone,
    /// On the machine whose path its name begins with.
    OnMachine,
}

/// When a resource may be created again after a create of which no outcome is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settling {
    /// After this time, when it is not observed by then.
    After(Millis),
    /// When the provider has reported for this time that there is none, in all that the vendor shows of it: lists and the
    /// operations under way. Else a person decides.
    RuledOut(Millis),
}

impl Settling {
    /// Until when a call that left at `left` may still have an effect that is not observed yet.
    pub fn until(self, left: Timestamp) -> Timestamp {
        let (Self::After(span) | Self::RuledOut(span)) = self;
        left + span
    }
}

/// Where visitors come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisitorEntry {
    /// By a name in the DNS that leads to a server.
    Record,
    /// By host names that a proxy answers for: no two hosts of one proxy have the same.
    HostName,
    /// By a port of a proxy.
    Port,
}

/// When a resource of Amarre's may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// As soon as no manifest wants it.
    Unwanted,
    /// When nothing has used it for a while: it costs something to get again.
    Unused,
    /// When a person purges its service: it holds data.
    Purge,
    /// Never by a plan's deletes: Amarre does not own it.
    NotOwned,
}

/// How a resource comes under Amarre that somebody else made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adoption {
    /// A mark is written to it, and can be taken off again.
    Mark,
    /// Docker labels only what it creates.
    Relabel,
    /// It is used by its name, and stays whose it is.
    UsedByName,
    /// Its name is its mark.
    NamedByManifest,
    /// One that fits is used.
    UsedWhereItFits,
    /// Nobody owns it.
    NotOwned,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Kind; KINDS.len()] = {
        let mut all = [Kind::Network; KINDS.len()];
        let mut index = 0;
        while index < KINDS.len() {
            all[index] = KINDS[index].kind;
            index += 1;
        }
        all
    };

    pub const fn traits(self) -> &'static KindTraits {
        // The rows stand in the order of the variants: a test holds that.
        &KINDS[self as usize]
    }

    /// The word in addresses.
    pub const fn word(self) -> &'static str {
        self.traits().word
    }

    /// The word in sentences and tables.
    pub fn label(self) -> String {
        self.word().replace('-', " ")
    }

    /// Whether a proxy answers visitors by it: at a name or at a port.
    pub const fn is_proxied(self) -> bool {
        matches!(self.traits().entry, Some(VisitorEntry::HostName | VisitorEntry::Port))
    }

    /// Whether it claims host names of its proxy.
    pub const fn has_host_names(self) -> bool {
        matches!(self.traits().entry, Some(VisitorEntry::HostName))
    }

    /// Whether it is a server at a cloud.
    pub const fn is_instance(self) -> bool {
        matches!(self, Kind::Instance | Kind::Server)
    }

    /// Whether visitors come in by it.
    pub const fn is_entry(self) -> bool {
        self.traits().entry.is_some()
    }

    /// Whether Amarre may own it.
    pub const fn may_be_owned(self) -> bool {
        !matches!(self.traits().removal, Removal::NotOwned)
    }

    /// Whether it outlives its manifest: volumes until a purge, certificates until they are long unused.
    pub const fn is_kept(self) -> bool {
        matches!(self.traits().removal, Removal::Purge | Removal::Unused)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Kind {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Kind::ALL.into_iter().find(|kind| kind.word() == text).ok_or_else(|| AddressError(text.to_owned()))
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What most kinds are: without a part for visitors, deleted when unwanted, adopted by a mark.
const PLAIN: KindTraits = KindTraits {
    kind: Kind::Network,
    word: "",
    down_rank: 0,
    entry: None,
    forwards: false,
    is_pointed_at: false,
    comes_back_with_engine: false,
    removal: Removal::Unwanted,
    adoption: Adoption::Mark,
    scope: ResourceScope::Anywhere,
    settling: Settling::After(Millis::seconds(30)),
    costs_money: false,
};

/// What the engine itself runs: a network, NPM's place on it, a container.
const RUNNING: KindTraits =
    KindTraits { is_pointed_at: true, comes_back_with_engine: true, adoption: Adoption::Relabel, ..PLAIN };

/// The rows, in the order of the variants.
const KINDS: &[KindTraits] = &[
    KindTraits { kind: Kind::Network, word: "network", down_rank: 5, ..RUNNING },
    KindTraits { kind: Kind::Attachment, word: "attachment", down_rank: 4, ..RUNNING },
    KindTraits {
        kind: Kind::Volume,
        word: "volume",
        down_rank: 6,
        removal: Removal::Purge,
        adoption: Adoption::UsedByName,
        ..PLAIN
    },
    KindTraits {
        kind: Kind::Image,
        word: "image",
        down_rank: 7,
        removal: Removal::NotOwned,
        adoption: Adoption::NotOwned,
        ..PLAIN
    },
    KindTraits { kind: Kind::Container, word: "container", down_rank: 3, ..RUNNING },
    KindTraits {
        kind: Kind::Zone,
        word: "zone",
        down_rank: 2,
        removal: Removal::NotOwned,
        adoption: Adoption::NotOwned,
        ..PLAIN
    },
    KindTraits {
        kind: Kind::Record,
        word: "record",
        down_rank: 2,
        entry: Some(VisitorEntry::Record),
        is_pointed_at: true,
        scope: ResourceScope::InZone,
        ..PLAIN
    },
    KindTraits {
        kind: Kind::Certificate,
        word: "certificate",
        down_rank: 1,
        removal: Removal::Unused,
        adoption: Adoption::UsedWhereItFits,
        ..PLAIN
    },
    KindTraits {
        kind: Kind::AccessList,
        word: "access-list",
        down_rank: 1,
        adoption: Adoption::NamedByManifest,
        ..PLAIN
    },
    KindTraits {
        kind: Kind::ProxyHost,
        word: "proxy-host",
        entry: Some(VisitorEntry::HostName),
        forwards: true,
        ..PLAIN
    },
    KindTraits { kind: Kind::Redirection, word: "redirection", entry: Some(VisitorEntry::HostName), ..PLAIN },
    KindTraits { kind: Kind::DeadHost, word: "404-host", entry: Some(VisitorEntry::HostName), ..PLAIN },
    KindTraits { kind: Kind::Stream, word: "stream", entry: Some(VisitorEntry::Port), forwards: true, ..PLAIN },
    // Only its power is managed: none is ever made or deleted.
    KindTraits {
        kind: Kind::Instance,
        word: "instance",
        removal: Removal::NotOwned,
        adoption: Adoption::NotOwned,
        costs_money: true,
        ..PLAIN
    },
    KindTraits {
        kind: Kind::Server,
        word: "server",
        down_rank: 6,
        removal: Removal::Purge,
        adoption: Adoption::NamedByManifest,
        settling: Settling::RuledOut(Millis::seconds(60)),
        costs_money: true,
        ..PLAIN
    },
    KindTraits {
        kind: Kind::Machine,
        word: "machine",
        down_rank: 7,
        removal: Removal::NotOwned,
        adoption: Adoption::NotOwned,
        scope: ResourceScope::OnMachine,
        ..PLAIN
    },
    KindTraits {
        kind: Kind::Account,
        word: "account",
        adoption: Adoption::NotOwned,
        scope: ResourceScope::OnMachine,
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_of_the_kind_at_its_place() {
        for (index, row) in KINDS.iter().enumerate() {
            assert_eq!(row.kind as usize, index, "{}", row.word);
            assert_eq!(row.word.parse::<Kind>().unwrap(), row.kind);
        }
        assert!(KINDS.len() > Kind::Instance as usize, "a row for each");
    }
}
