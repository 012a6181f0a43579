//! What belongs to a service, for accounts limited to some services: they write manifests that use their own resources.
//!
//! A service owns what is named after it, and what its manifest uses already: more was given to it by an account with
//! full access. What a manifest uses: `amarre_core::model::uses`.

use std::collections::BTreeSet;

use crate::engine::report::pass_view::PassView;
use amarre_core::manifest::{self, SourceFile};
use amarre_core::model::uses::{self, ContainerName, OF_CONTAINER, Use};
use amarre_core::model::{Asset, Assets, Service, Site};

/// What a text for the file of a service uses that belongs to none of `owners`. A text that is no good manifest uses
/// nothing yet: its diagnostics are reported elsewhere.
pub fn foreign_uses(pass: &PassView, (file, text): (&str, &str), owners: &BTreeSet<String>) -> Vec<Use> {
    let Some(site) = pass.context.as_ref().map(|context| &context.site) else { return Vec::new() };
    let assets = all_files(pass);
    let read = |text: &str| {
        let file = SourceFile { path: file.to_owned(), text: text.to_owned() };
        manifest::uses_of_text(&file, &assets, site)
    };
    let now = read(text);
    let before = pass.source.files.iter().find(|(path, _)| path == file);
    let before = before.map(|(_, text)| read(text)).unwrap_or_default();
    let mut others = BTreeSet::new();
    for (service, fresh) in now {
        let mut known = pass.services.get(&service.name).map(|known| uses::of(known, site)).unwrap_or_default();
        known.extend(before.iter().filter(|(old, _)| old.name == service.name).flat_map(|(_, uses)| uses.clone()));
        others.extend(fresh.into_iter().filter(|used| !known.contains(used) || matches!(used, Use::Unlisted { .. })));
    }
    let taken = OthersNames::new(pass, owners, site);
    let is_own = |used: &Use| owners.iter().any(|owner| used.is_of(owner, site)) && !taken.has(used);
    others.into_iter().filter(|used| !is_own(used)).collect()
}

/// What other services are called: a name below that of an owner may be theirs.
struct OthersNames {
    names: BTreeSet<String>,
    containers: BTreeSet<String>,
}

impl OthersNames {
    fn new(pass: &PassView, owners: &BTreeSet<String>, site: &Site) -> Self {
        let mut taken = Self { names: BTreeSet::new(), containers: BTreeSet::new() };
        let others = pass.services.values().filter(|service: &&Service| !owners.contains(&service.name));
        for used in others.flat_map(|service| uses::of(service, site)) {
            if let Use::Name(name) | Use::Record { name, .. } = used {
                taken.names.insert(name);
            } else if let Use::ContainerName(ContainerName { network: None, name, .. }) = used {
                taken.containers.insert(name);
            }
        }
        taken
    }

    fn has(&self, used: &Use) -> bool {
        if let Use::Name(name) | Use::Record { name, .. } = used {
            let about = [Some(name.as_str()), manifest::subject(name)];
            return about.into_iter().flatten().any(|name| self.names.contains(name));
        }
        if let Use::ContainerName(ContainerName { network: None, name, .. }) = used {
            return self.containers.contains(name);
        }
        let Use::Network { name, .. } = used else { return false };
        name.strip_prefix(OF_CONTAINER).is_some_and(|name| self.containers.contains(name))
    }
}

/// Every file of the source. A Compose file looks like a manifest, so it may stand among the manifests.
fn all_files(pass: &PassView) -> Assets {
    let asset = |text: &String| Asset::of(text.as_bytes(), false);
    let source = &pass.source;
    let mut assets: Assets = source.files.iter().map(|(path, text)| (path.clone(), asset(text))).collect();
    assets.extend(source.assets.iter().map(|(path, asset)| (path.clone(), asset.clone())));
    assets
}
