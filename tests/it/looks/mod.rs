//! The loop stepped pass by pass, with every vendor simulated.

mod actions;
mod apart;
mod binds;
mod breadth;
mod builds;
mod certificates;
mod commands;
mod downtimes;
mod files;
mod labels;
mod lifecycle;
mod handover;
mod flaps;
mod manifests;
mod left_out;
mod memory;
mod mend;
mod parts;
mod ports;
mod patience;
mod promises;
mod restart;
mod signatures;
mod standing;
mod strangers;
mod telling;
mod waits;

use crate::support::stepped::Stepped;

/// Two containers, a volume, a route with an alias, records.
pub const CLOUD: &str = "
name: cloud
containers:
  app:
    image: web:1
    environment: {TITLE: one, PASSWORD: {secret: cloud}}
    depends_on: [db]
  db:
    image: db:1
    volumes: ['data:/data']
routes:
  - {domain: cloud, aliases: [www.cloud], to: 'app:80'}
";

/// One container without data.
pub fn plain(name: &str) -> String {
    format!("name: {name}\nimage: web:1\nport: 80\n")
}

/// The names of all containers, in order.
pub fn container_names(rig: &Stepped) -> Vec<String> {
    let containers = rig.docker.containers();
    let mut names: Vec<String> =
        containers.iter().map(|container| container["Name"].as_str().unwrap().to_owned()).collect();
    // Services that were made side by side stand in no order.
    names.sort();
    names
}

/// A bench with these services, all as they should be.
pub async fn settled(services: &[&str]) -> Stepped {
    let mut rig = Stepped::start().await;
    for service in services {
        rig.write(&format!("{service}.yaml"), &plain(service));
    }
    rig.settle().await;
    rig.forget();
    rig
}
