//! The keys of a container that the engine takes one by one. A row says all that the core has to know of a key: the parser
//! of manifests, the JSON Schema and the table of fields follow from it. How the engine calls each is a row of
//! `src/providers/docker/settings.rs`.

use crate::model::{Field, Rule};

/// One key of a container, and the field of the same name.
#[derive(Debug, Clone, Copy)]
pub struct ContainerSetting {
    /// Its name in manifests and in fields.
    pub key: &'static str,
    /// What it may hold.
    pub shape: SettingShape,
    /// What the JSON Schema says of it; empty for one that has a form of its own there.
    pub about: &'static str,
    /// Whether `false` and `0` differ from not being there.
    pub is_zero_meant: bool,
}

/// What a key may hold. What comes out is in one spelling: bytes, microseconds, thousand millionths of a CPU, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingShape {
    /// True or false.
    Flag,
    /// From, to.
    Number(i64, i64),
    /// At least so many; whether `-1` is allowed for "no limit".
    Bytes(i64, bool),
    /// A number of them or a duration; from, to.
    Micros(i64, i64),
    /// Whole seconds; at most so many.
    Seconds(i64),
    /// A decimal number of CPUs.
    Cpus,
    /// The name or the number of a signal.
    Signal,
    /// One word of a kind, and an example of it.
    Word(WordKind, &'static str),
    /// A list of texts, or one.
    Texts,
    /// As [`SettingShape::Texts`], each an address.
    Addresses,
    /// A map or a list of `NAME=value`.
    Pairs,
    /// Read and described by code of its own: it has parts, or policy has a word in it.
    Composite,
    /// No key of the container: it stands below `networks`.
    OfNetwork,
}

/// What a word has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordKind {
    /// Anything without white space.
    Any,
    /// Numbers of CPUs.
    Cpuset,
    /// The address of a network card.
    Mac,
    /// An absolute path in the container.
    Path,
    /// The name of a host.
    HostName,
    /// An operating system and an architecture.
    Platform,
}

/// The engine refuses less (`daemon/daemon_unix.go`: linuxMinMemory).
pub const MEMORY_BYTES_MIN: i64 = 6 * 1024 * 1024;
/// The kernel's limits of CFS periods and quotas.
const CPU_PERIOD_US: (i64, i64) = (1_000, 1_000_000);
/// The kernel's largest process id.
pub const PIDS_MAX: i64 = 4_194_304;
/// A container that needs longer to stop than this holds up everything behind it.
const STOP_GRACE_S_MAX: i64 = 3_600;

const MICROS: SettingShape = SettingShape::Micros(1, i64::MAX);
const MEMORY: SettingShape = SettingShape::Bytes(MEMORY_BYTES_MIN, false);
const PERIOD: SettingShape = SettingShape::Micros(CPU_PERIOD_US.0, CPU_PERIOD_US.1);
const QUOTA: SettingShape = SettingShape::Micros(1_000, i64::MAX);

/// Every setting, in the order in which a plan lists what differs.
pub static SETTINGS: [ContainerSetting; 53] = [
    simple("annotations", SettingShape::Pairs, "For the runtime; needs Docker API 1.43"),
    composite("blkio_config"),
    composite("cap_add"),
    composite("cap_drop"),
    composite("cgroup"),
    simple("cgroup_parent", word("`/limited`"), "As in /limited"),
    simple("cpu_period", PERIOD, "Microseconds, or as in 100ms"),
    simple("cpu_quota", QUOTA, "Microseconds, or as in 50ms"),
    simple("cpu_rt_period", MICROS, "Microseconds, or as in 50ms"),
    simple("cpu_rt_runtime", MICROS, "Microseconds, or as in 50ms"),
    simple("cpu_shares", SettingShape::Number(0, 262_144), "Weight against other containers"),
    simple("cpus", SettingShape::Cpus, "As in 0.5"),
    simple("cpuset", SettingShape::Word(WordKind::Cpuset, "`0-2`"), "As in 0-2 or 0,3"),
    composite("device_cgroup_rules"),
    composite("devices"),
    simple("dns", SettingShape::Addresses, "Its name servers; below `containers` only"),
    simple("dns_opt", SettingShape::Texts, "Options of its resolver"),
    simple("dns_search", SettingShape::Texts, "Domains in which it looks for short names"),
    simple("domainname", SettingShape::Word(WordKind::HostName, "`example.org`"), "The domain of its own name"),
    composite("expose"),
    composite("extra_hosts"),
    composite("gpus"),
    simple("group_add", SettingShape::Texts, "More groups of the process"),
    simple("hostname", SettingShape::Word(WordKind::HostName, "`web`"), "What it calls itself"),
    simple("init", SettingShape::Flag, "Whether Docker's init is its first process").with_zero(),
    composite("ipc"),
    ContainerSetting { key: "ipv4_address", shape: SettingShape::OfNetwork, about: "", is_zero_meant: false },
    simple("mac_address", SettingShape::Word(WordKind::Mac, "`02:42:ac:11:65:43`"), "Needs Docker API 1.44"),
    simple("mem_limit", MEMORY, "As in 512m"),
    simple("mem_reservation", MEMORY, "As in 256m"),
    simple("mem_swappiness", SettingShape::Number(0, 100), "0 to 100").with_zero(),
    simple("memswap_limit", SettingShape::Bytes(MEMORY_BYTES_MIN, true), "Memory and swap together; -1 for no limit"),
    simple("oom_kill_disable", SettingShape::Flag, "The kernel does not kill it for memory"),
    simple("oom_score_adj", SettingShape::Number(-1000, 1000), "-1000 to 1000"),
    composite("pid"),
    simple("pids_limit", SettingShape::Number(-1, PIDS_MAX), "-1 for no limit"),
    // Of the image that it was made from; with a variant, `linux/arm/v7`.
    simple(
        "platform",
        SettingShape::Word(WordKind::Platform, "`linux/arm64`"),
        "Of which its image is pulled, as in linux/arm64",
    ),
    composite("privileged"),
    simple("read_only", SettingShape::Flag, "It may write to its mounts only"),
    simple("runtime", word("`runc`"), "One that the engine knows, as in runc"),
    composite("security_opt"),
    simple("shm_size", SettingShape::Bytes(1, false), "Of /dev/shm, as in 128m"),
    simple("stdin_open", SettingShape::Flag, "Its input stays open"),
    simple("stop_grace_period", SettingShape::Seconds(STOP_GRACE_S_MAX), "As in 30s, at most 10m").with_zero(),
    simple("stop_signal", SettingShape::Signal, "As in SIGINT"),
    simple("storage_opt", SettingShape::Pairs, "Where the engine's storage knows it"),
    simple("sysctls", SettingShape::Pairs, "Settings of its kernel namespaces"),
    composite("tmpfs"),
    simple("tty", SettingShape::Flag, "A terminal"),
    composite("ulimits"),
    composite("userns_mode"),
    composite("uts"),
    simple("working_dir", SettingShape::Word(WordKind::Path, "`/srv`"), "An absolute path in the container"),
];

const fn simple(key: &'static str, shape: SettingShape, about: &'static str) -> ContainerSetting {
    ContainerSetting { key, shape, about, is_zero_meant: false }
}

const fn composite(key: &'static str) -> ContainerSetting {
    simple(key, SettingShape::Composite, "")
}

const fn word(example: &'static str) -> SettingShape {
    SettingShape::Word(WordKind::Any, example)
}

impl ContainerSetting {
    const fn with_zero(mut self) -> Self {
        self.is_zero_meant = true;
        self
    }

    /// The field; a container cannot change any of them while it is there.
    pub const fn field(&self) -> Field {
        Field::new(self.key, Rule::Generation)
    }
}

/// The setting of that name, as a key of a container.
pub fn setting(key: &str) -> Option<&'static ContainerSetting> {
    SETTINGS.iter().find(|setting| setting.key == key && setting.shape != SettingShape::OfNetwork)
}
