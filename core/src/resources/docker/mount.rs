//! The text of one mount, as the fields `mounts` and `image_mounts` of a container hold it:
//! `KIND:SOURCE:TARGET:MODE[,NAME=VALUE…]`.
//!
//! | text | is |
//! |---|---|
//! | `volume:cloud_data:/data:rw` | a named volume |
//! | `bind:/srv/cloud:/data:ro,propagation=rslave` | a path of the host |
//! | `tmpfs::/cache:rw,mode=0700,size=65536` | memory: it has no source |
//!
//! Only a source may hold a colon: a manifest's target and options have none.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::model::{Arg, Fields, Kind};
use crate::text;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountKind {
    /// A named volume.
    Volume,
    /// A path of the host.
    Bind,
    /// Memory, gone with the container.
    Tmpfs,
}

impl MountKind {
    fn word(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Bind => "bind",
            Self::Tmpfs => "tmpfs",
        }
    }
}

/// One mount of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSpec<'a> {
    pub kind: MountKind,
    /// The volume's name or the host's path; empty for memory.
    pub source: &'a str,
    /// The path in the container.
    pub target: &'a str,
    /// The container cannot write to it.
    pub is_read_only: bool,
    /// `propagation` and `create` of a path, `nocopy` and `subpath` of a volume, `size` and `mode` of memory.
    pub options: BTreeMap<&'a str, Cow<'a, str>>,
}

impl<'a> MountSpec<'a> {
    /// A mount that the container may write to, without options.
    pub fn new(kind: MountKind, source: &'a str, target: &'a str) -> Self {
        Self { kind, source, target, is_read_only: false, options: BTreeMap::new() }
    }

    /// Reads the text of a mount; `None` when it is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (word, rest) = text.split_once(':')?;
        let kind =
            [MountKind::Volume, MountKind::Bind, MountKind::Tmpfs].into_iter().find(|kind| kind.word() == word)?;
        let (place, mode) = rest.rsplit_once(':')?;
        let (source, target) = place.rsplit_once(':')?;
        let mut words = mode.split(',');
        let is_read_only = match words.next()? {
            "ro" => true,
            "rw" => false,
            _ => return None,
        };
        let option = |word: &'a str| word.split_once('=').map(|(name, value)| (name, Cow::Borrowed(value)));
        let options = words.map(option).collect::<Option<_>>()?;
        Some(Self { kind, source, target, is_read_only, options })
    }

    /// Whether the engine makes a path of the host that is missing.
    pub fn makes_source(&self) -> bool {
        self.options.get("create").is_some_and(|value| value == "true")
    }

    /// What outlives the container; memory is each one's own.
    pub fn data(&self) -> Option<MountedData<'a>> {
        match self.kind {
            MountKind::Volume => Some(MountedData::Volume(self.source)),
            MountKind::Bind => Some(MountedData::Path(self.source)),
            MountKind::Tmpfs => None,
        }
    }
}

impl fmt::Display for MountSpec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.is_read_only { "ro" } else { "rw" };
        write!(f, "{}:{}:{}:{mode}", self.kind.word(), self.source, self.target)?;
        self.options.iter().try_for_each(|(name, value)| write!(f, ",{name}={value}"))
    }
}

/// All that is mounted in a container: what its manifest says, and what its image declares beside that.
pub fn mounts(fields: &Fields) -> impl Iterator<Item = MountSpec<'_>> {
    let texts = fields.strings("mounts").into_iter().chain(fields.strings("image_mounts"));
    texts.filter_map(MountSpec::parse)
}

/// Data that a mount leads to. Its text is `volume:NAME` or `bind:/path`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MountedData<'a> {
    /// Of a named volume.
    Volume(&'a str),
    /// Of a path of the host.
    Path(&'a str),
}

impl MountedData<'_> {
    /// The same in a sentence.
    pub fn in_words(&self) -> Arg {
        match self {
            Self::Volume(name) => text!("{kind} {name}", kind = Kind::Volume, name = *name).into(),
            Self::Path(path) => Arg::from(*path),
        }
    }

    /// As people say it: `volume cloud_data`, `/srv/cloud`.
    pub fn shown(&self) -> String {
        match self {
            Self::Volume(name) => format!("volume {name}"),
            Self::Path(path) => (*path).to_owned(),
        }
    }
}

impl fmt::Display for MountedData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume(name) => write!(f, "volume:{name}"),
            Self::Path(path) => write!(f, "bind:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_may_hold_a_colon_and_nothing_else() {
        let mount = MountSpec::parse("bind:/srv/a:b:/t:ro,create=true").unwrap();
        assert_eq!((mount.source, mount.target, mount.is_read_only), ("/srv/a:b", "/t", true));
        assert!(mount.makes_source());
        for text in ["", "volume:data", "volume:/t:rw", "npipe:a:/t:rw", "volume:a:/t:z", "volume:a:/t:rw,nocopy"] {
            assert_eq!(MountSpec::parse(text), None, "{text}");
        }
    }
}
