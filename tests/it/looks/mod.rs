//! The loop stepped look by look, with every vendor simulated.

mod apart;
mod breadth;
mod commands;
mod crash;
mod downtimes;
mod files;
mod handover;
mod flaps;
mod manifests;
mod memory;
mod mend;
mod patience;
mod promises;
mod standing;
mod telling;
mod waits;

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
