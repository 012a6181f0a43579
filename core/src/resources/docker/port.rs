//! The texts of published ports, as the fields of a container hold them.
//!
//! | field | text | is |
//! |---|---|---|
//! | `ports`, `published` | `0.0.0.0:8080:80/tcp` | a port of the host, and the container's port behind it |
//! | `publish` | `192.168.1.10:80/tcp` | a port of the container that is to be published there |
//! | `on_ipv6` | `8080:80/tcp` | one of `ports` for which no address is said |
//!
//! An IPv6 address has colons of its own, so a text is read from its end.

use std::fmt;

/// `80/tcp`: a port in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerPort<'a> {
    pub number: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: &'a str,
}

impl<'a> ContainerPort<'a> {
    /// Reads `80/tcp`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (number, protocol) = text.split_once('/')?;
        Some(Self { number: number.parse().ok()?, protocol })
    }

    /// Of TCP.
    pub fn tcp(number: u16) -> Self {
        Self { number, protocol: "tcp" }
    }
}

impl fmt::Display for ContainerPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

/// `192.168.1.10:20000:80/tcp`: a port of the host that leads into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortSpec<'a> {
    /// Where the host listens, as it was written.
    pub ip: &'a str,
    /// The port of the host.
    pub published: u16,
    /// The port in the container.
    pub target: ContainerPort<'a>,
}

impl<'a> PortSpec<'a> {
    /// Every address of IPv4 that the host has.
    const ANYWHERE: &'static str = "0.0.0.0";

    /// Reads a text of `ports` or `published`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (place, target) = text.rsplit_once(':')?;
        let (ip, published) = place.rsplit_once(':')?;
        Some(Self { ip, published: published.parse().ok()?, target: ContainerPort::parse(target)? })
    }

    /// Where the host listens, without brackets.
    pub fn address(&self) -> &'a str {
        self.ip.trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether it is open on every address of IPv4.
    pub fn is_anywhere(&self) -> bool {
        self.ip == Self::ANYWHERE
    }

    /// Whether it is open on every address, those of IPv6 too: `on_ipv6` is the field of that name.
    pub fn is_also_on_ipv6(&self, on_ipv6: &[&str]) -> bool {
        self.is_anywhere() && on_ipv6.contains(&self.without_address().as_str())
    }

    /// The same on every address of IPv4.
    pub fn on_ipv4(&self) -> PortSpec<'a> {
        PortSpec { ip: Self::ANYWHERE, ..*self }
    }

    /// The text in `on_ipv6`: `8080:80/tcp`.
    pub fn without_address(&self) -> String {
        format!("{}:{}", self.published, self.target)
    }

    /// What was to be published when the host's port was chosen.
    pub fn wanted(&self) -> WantedPort<'a> {
        WantedPort { ip: self.ip, target: self.target }
    }

    /// `port 80/tcp`, of the host.
    pub fn name(&self) -> String {
        format!("port {}/{}", self.published, self.target.protocol)
    }

    /// Whether an engine cannot give both at once: of one port, each of two addresses is another binding.
    pub fn collides(&self, other: &Self) -> bool {
        const ALL: [&str; 2] = ["0.0.0.0", "::"];
        let is_v6 = |spec: &Self| spec.address().contains(':');
        let is_all = |spec: &Self| ALL.contains(&spec.address());
        let meets = self.address() == other.address() || is_v6(self) == is_v6(other) && (is_all(self) || is_all(other));
        meets && self.published == other.published && self.target.protocol == other.target.protocol
    }
}

impl fmt::Display for PortSpec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.ip, self.published, self.target)
    }
}

/// `192.168.1.10:80/tcp`: a port of a container that is to be published at an address, at a port that is still to be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedPort<'a> {
    /// Where the host is to listen.
    pub ip: &'a str,
    /// The port in the container.
    pub target: ContainerPort<'a>,
}

impl<'a> WantedPort<'a> {
    /// Reads a text of `publish`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (ip, target) = text.rsplit_once(':')?;
        Some(Self { ip, target: ContainerPort::parse(target)? })
    }

    /// Published at a port of the host.
    pub fn at(&self, published: u16) -> PortSpec<'a> {
        PortSpec { ip: self.ip, published, target: self.target }
    }
}

impl fmt::Display for WantedPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ip, self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ipv6_has_colons_of_its_own() {
        let port = PortSpec::parse("[2001:db8::1]:8443:443/udp").unwrap();
        assert_eq!((port.address(), port.published, port.target.number), ("2001:db8::1", 8443, 443));
        assert_eq!(port.to_string(), "[2001:db8::1]:8443:443/udp");
        assert_eq!(port.wanted().to_string(), "[2001:db8::1]:443/udp");
        assert_eq!(WantedPort::parse("::1:80/tcp").map(|port| port.at(9).to_string()).as_deref(), Some("::1:9:80/tcp"));
    }

    #[test]
    fn two_ports_collide_where_one_address_covers_the_other() {
        let port = |text| PortSpec::parse(text).unwrap();
        assert!(port("0.0.0.0:80:8080/tcp").collides(&port("192.0.2.1:80:80/tcp")));
        assert!(!port("0.0.0.0:80:80/tcp").collides(&port("[::]:80:80/tcp")));
        assert!(!port("192.0.2.1:80:80/tcp").collides(&port("192.0.2.2:80:80/tcp")));
        assert!(!port("0.0.0.0:80:80/tcp").collides(&port("0.0.0.0:80:80/udp")));
    }
}
