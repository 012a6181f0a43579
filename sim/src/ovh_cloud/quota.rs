//! How much a project may have in a region, what fits beside what it has, and what would be too much.

use super::catalogue::Flavor;

/// How much a project may have in one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudQuota {
    /// Servers, whatever their status.
    pub instances: u32,
    /// Cores of all of them.
    pub cores: u32,
    /// Memory of all of them, in MB: 8000 for a flavour of 8 GiB.
    pub ram_mb: u32,
}

impl CloudQuota {
    /// How many servers of a flavour fit beside what is used.
    pub(super) fn room(self, used: Self, flavor: &Flavor) -> u32 {
        let instances = self.instances.saturating_sub(used.instances);
        let cores = self.cores.saturating_sub(used.cores) / flavor.vcpus;
        let memory = self.ram_mb.saturating_sub(used.ram_mb) / (flavor.ram_gib * 1000);
        instances.min(cores).min(memory)
    }

    /// What would be exceeded by one more of `wanted` where `freed` goes; Nova's text.
    pub(super) fn excess(self, used: Self, freed: Option<&Flavor>, wanted: &Flavor) -> Option<String> {
        let size = |flavor: Option<&Flavor>| flavor.map_or((0, 0, 0), |it| (1, it.vcpus, it.ram_gib * 1000));
        let (more, less) = (size(Some(wanted)), size(freed));
        let rows = [
            ("instances", more.0, used.instances - less.0, self.instances),
            ("cores", more.1, used.cores - less.1, self.cores),
            ("ram", more.2, used.ram_mb - less.2, self.ram_mb),
        ];
        let over = rows.into_iter().find(|(_, wanted, used, max)| wanted + used > *max);
        over.map(|(what, wanted, used, max)| {
            format!("Quota exceeded for {what}: Requested {wanted}, but already used {used} of {max} {what}")
        })
    }
}

impl Default for CloudQuota {
    fn default() -> Self {
        Self { instances: 200, cores: 2000, ram_mb: 8_000_000 }
    }
}
