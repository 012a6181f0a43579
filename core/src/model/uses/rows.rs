//! The sorts of resources that manifests use, and what holds for each.

/// The sorts of resources that manifests use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UseKind {
    /// [`Use::Host`]
    Host,
    /// [`Use::Service`]
    Service,
    /// [`Use::ContainerOf`]
    ContainerOf,
    /// [`Use::DataOf`]
    DataOf,
    /// [`Use::Name`]
    Name,
    /// [`Use::Record`]
    Record,
    /// [`Use::ContainerName`]
    ContainerName,
    /// [`Use::ContainerKey`]
    ContainerKey,
    /// [`Use::Address`]
    Address,
    /// [`Use::Port`]
    Port,
    /// [`Use::NpmPort`]
    NpmPort,
    /// [`Use::Subnet`]
    Subnet,
    /// [`Use::Network`]
    Network,
    /// [`Use::Volume`]
    Volume,
    /// [`Use::Folder`]
    Folder,
    /// [`Use::File`]
    File,
    /// [`Use::Image`]
    Image,
    /// [`Use::BuiltImage`]
    BuiltImage,
    /// [`Use::Repository`]
    Repository,
    /// [`Use::LogDriver`]
    LogDriver,
    /// [`Use::Secret`]
    Secret,
    /// [`Use::Machine`]
    Machine,
    /// [`Use::HostKey`]
    HostKey,
    /// [`Use::Server`]
    CloudServer,
    /// [`Use::MadeServer`]
    MadeServer,
    /// [`Use::Project`]
    Project,
    /// [`Use::SshKey`]
    SshKey,
    /// [`Use::Target`]
    Target,
    /// [`Use::Right`]
    Right,
    /// [`Use::NginxLines`]
    NginxLines,
    /// [`Use::AccessList`]
    AccessList,
    /// [`Use::Certificate`]
    Certificate,
    /// [`Use::Unlisted`]
    Unlisted,
}

/// Which word of the policy decides on a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyWord {
    /// This key of `policy`.
    Word(&'static str),
    /// None, and why.
    Needless(&'static str),
}

/// Whether two manifests may use one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UseClaim {
    /// One manifest has it: [`Use::excludes`].
    One,
    /// Several may, and why.
    Shared(&'static str),
}

/// Whose a resource is, for a token that is limited to some services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenScope {
    /// What is called after the service is its own: [`Use::is_of`].
    ByName,
    /// It belongs to no service: only what the manifest uses already stays.
    NoService,
    /// Every service may use it, and why.
    Everybody(&'static str),
}

/// What holds for a sort of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UseRow {
    /// What people read.
    pub word: &'static str,
    /// Which word of the policy decides on it.
    pub policy: PolicyWord,
    /// Whether two manifests may use it.
    pub claim: UseClaim,
    pub tokens: TokenScope,
}

impl UseKind {
    pub const ALL: [UseKind; 33] = [
        UseKind::Host,
        UseKind::Service,
        UseKind::ContainerOf,
        UseKind::DataOf,
        UseKind::Name,
        UseKind::Record,
        UseKind::ContainerName,
        UseKind::ContainerKey,
        UseKind::Address,
        UseKind::Port,
        UseKind::NpmPort,
        UseKind::Subnet,
        UseKind::Network,
        UseKind::Volume,
        UseKind::Folder,
        UseKind::File,
        UseKind::Image,
        UseKind::BuiltImage,
        UseKind::Repository,
        UseKind::LogDriver,
        UseKind::Secret,
        UseKind::Machine,
        UseKind::HostKey,
        UseKind::CloudServer,
        UseKind::MadeServer,
        UseKind::Project,
        UseKind::SshKey,
        UseKind::Target,
        UseKind::Right,
        UseKind::NginxLines,
        UseKind::AccessList,
        UseKind::Certificate,
        UseKind::Unlisted,
    ];

    /// What holds for it.
    #[expect(clippy::too_many_lines, reason = "a table with a row for each sort")]
    pub const fn row(self) -> UseRow {
        use PolicyWord::{Needless, Word};
        use TokenScope::{ByName, Everybody, NoService};
        use UseClaim::{One, Shared};
        let (word, policy, claim, tokens) = match self {
            UseKind::Host => {
                ("host", Needless("the configuration lists the hosts"), Shared("a host has many services"), NoService)
            }
            UseKind::Service => (
                "service",
                Needless("waiting for a service changes nothing of it"),
                Shared("many may wait for one"),
                ByName,
            ),
            UseKind::ContainerOf => (
                "container of",
                Needless("the author of the other manifest wrote what stands there for the network of NPM"),
                Shared("many names may lead to one container"),
                ByName,
            ),
            UseKind::DataOf => (
                "data of",
                Needless("only of a manifest that is no more"),
                Shared("a service may have become two"),
                ByName,
            ),
            UseKind::Name => ("name", Word("names"), One, ByName),
            UseKind::Record => ("name", Word("records"), One, ByName),
            UseKind::ContainerName => ("container name", Word("names"), One, ByName),
            UseKind::ContainerKey => ("container", Needless("it is called after the manifest"), One, ByName),
            UseKind::Address => {
                ("address", Needless("it lies in the subnet of a network that the manifest may join"), One, NoService)
            }
            UseKind::Port => ("host port", Word("ports"), One, NoService),
            UseKind::NpmPort => ("port", Word("ports"), One, NoService),
            UseKind::Subnet => ("subnet", Word("subnets"), One, NoService),
            UseKind::Network => ("network", Word("networks"), Shared("who joins one is allowed to"), ByName),
            UseKind::Volume => ("volume", Word("volumes"), Shared("policy lists those of others"), ByName),
            UseKind::Folder => ("folder", Word("host_paths"), Shared("policy lists those of others"), ByName),
            UseKind::File => (
                "file",
                Needless("who writes manifests reads the source"),
                Shared("a file may be read by many"),
                ByName,
            ),
            UseKind::Image => (
                "image",
                Word("images"),
                Shared("an image may be used by many"),
                Everybody("policy allows the image to every manifest, and pulling it reads nothing of a service"),
            ),
            UseKind::BuiltImage => (
                "image built for",
                Needless("no word opens it: an image that Amarre builds is its own app's"),
                Shared("only its own app may use it"),
                ByName,
            ),
            UseKind::Repository => {
                ("repository", Word("repositories"), Shared("two apps may be parts of one repository"), NoService)
            }
            UseKind::LogDriver => (
                "log driver",
                Word("log_drivers"),
                Shared("a driver serves many containers"),
                Everybody("policy allows the driver to every manifest"),
            ),
            UseKind::Secret => ("secret", Word("secrets"), Shared("policy lists those of others"), ByName),
            UseKind::Machine => ("machine", Word("targets"), One, NoService),
            UseKind::HostKey => (
                "host key",
                Needless("it says which machine is meant, and `targets` decides on its address"),
                One,
                NoService,
            ),
            UseKind::CloudServer => ("server", Word("instances"), One, NoService),
            UseKind::MadeServer => (
                "new server",
                Needless("`limits` and `budget` of the cloud say how many, which and for how much"),
                One,
                NoService,
            ),
            UseKind::Project => (
                "project",
                Needless("the credentials of the cloud say which there are"),
                Shared("a project has many servers"),
                NoService,
            ),
            UseKind::SshKey => (
                "SSH key",
                Needless("the configuration lists the keys"),
                Shared("a person has many servers"),
                Everybody("a public key opens the service's server to its owner, and nothing of the owner's"),
            ),
            UseKind::Target => ("target", Word("targets"), Shared("many names may lead to one target"), NoService),
            UseKind::Right => ("right", Needless("it is a word of the policy"), Shared("policy allows it"), NoService),
            UseKind::NginxLines => ("lines for nginx", Word("nginx"), Shared("they are of one site"), NoService),
            UseKind::AccessList => (
                "access list",
                Needless("it closes the site that names it"),
                Shared("a list may close many sites"),
                Everybody("NPM checks the visitors of the site by it, and shows nothing of it"),
            ),
            UseKind::Certificate => (
                "certificate",
                Needless("NPM serves it for the names of the route alone"),
                Shared("a certificate may serve many sites"),
                Everybody("NPM serves it for the names of the route alone, and hands out no key"),
            ),
            UseKind::Unlisted => (
                "something that Amarre does not account for:",
                Needless("it is refused"),
                Shared("it is refused"),
                NoService,
            ),
        };
        UseRow { word, policy, claim, tokens }
    }
}
