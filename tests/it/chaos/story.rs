//! What people do. Each story begins with effective manifests and ends with effective manifests.

use std::collections::BTreeMap;

use amarre_sim::npm;
use serde_json::json;

use super::stage::Stage;
use crate::support::stepped::ZONE;

pub type Files = BTreeMap<String, String>;

/// One act of a person.
#[derive(Clone, Copy)]
pub enum Act {
    /// A manifest is written.
    Write(&'static str, &'static str),
    /// A manifest is removed.
    Remove(&'static str),
    /// `amarre destroy SERVICE`, and its manifest is removed.
    Destroy(&'static str),
    /// `amarre destroy SERVICE --purge`, and its manifest is removed.
    Purge(&'static str),
    /// A change from outside.
    Meddle(fn(&Stage)),
    /// Time goes by until nothing moves by itself any more.
    Rest,
}

#[derive(Clone, Copy)]
pub struct Story {
    pub name: &'static str,
    /// The effective files before, everything converged.
    pub before: &'static [(&'static str, &'static str)],
    pub acts: &'static [Act],
}

impl Story {
    pub fn files_before(&self) -> Files {
        self.before.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
    }

    /// The effective files at the end.
    pub fn files_after(&self) -> Files {
        let mut files = self.files_before();
        for act in self.acts {
            match act {
                Act::Write(file, text) => drop(files.insert((*file).to_owned(), (*text).to_owned())),
                Act::Remove(file) => drop(files.remove(*file)),
                Act::Destroy(service) | Act::Purge(service) => drop(files.remove(&format!("{service}.yaml"))),
                Act::Meddle(_) | Act::Rest => (),
            }
        }
        files
    }

    pub fn has_jobs(&self) -> bool {
        self.before.iter().any(|(_, text)| text.contains("jobs:"))
    }

    /// Nothing that was there before is changed or deleted.
    pub fn only_adds(&self) -> bool {
        let is_there = |file: &str| self.before.iter().any(|(known, _)| *known == file);
        self.acts.iter().all(|act| match act {
            Act::Write(file, _) => !is_there(file),
            Act::Rest => true,
            Act::Remove(_) | Act::Destroy(_) | Act::Purge(_) | Act::Meddle(_) => false,
        })
    }

    pub fn purges(&self) -> bool {
        self.acts.iter().any(|act| matches!(act, Act::Purge(_)))
    }
}

/// One container without data, whose image has a healthcheck.
const WEB: &str = "name: web\nimage: app:1\nport: 80\n";
const WEB_2: &str = "name: web\nimage: app:1\nport: 80\nenvironment: {MODE: two}\n";
const WEB_TLS: &str = "name: web\nimage: app:1\nport: 80\nssl: true\n";
const WEB_BAD: &str = "name: web\nimage: bad:1\nport: 80\n";

/// Two containers, data, a secret, an alias.
const CLOUD: &str = "
name: cloud
containers:
  app:
    image: app:1
    environment: {TITLE: one, PASSWORD: {secret: cloud}}
    depends_on: [db]
  db: {image: 'store:1', volumes: ['data:/data']}
routes:
  - {domain: cloud, aliases: [www.cloud], to: 'app:80'}
";

/// The same with a job before each update, and a drain of two passes; then both of its containers change, of which one has data.
const WITH_JOB: &str = "
name: cloud
containers:
  app:
    image: app:1
    environment: {TITLE: one, PASSWORD: {secret: cloud}}
    depends_on: [db]
  db: {image: 'store:1', volumes: ['data:/data']}
routes:
  - {domain: cloud, aliases: [www.cloud], to: 'app:80'}
update: {drain: 4s}
jobs: {backup: {image: 'app:2', command: ['true'], volumes: ['data:/data:ro']}}
";
const WITH_JOB_2: &str = "
name: cloud
containers:
  app:
    image: app:1
    environment: {TITLE: two, PASSWORD: {secret: cloud}}
    depends_on: [db]
  db: {image: 'store:1', volumes: ['data:/data'], environment: {MODE: two}}
routes:
  - {domain: cloud, aliases: [www.cloud], to: 'app:80'}
update: {drain: 4s}
jobs: {backup: {image: 'app:2', command: ['true'], volumes: ['data:/data:ro']}}
";

const STORE: &str = "name: store\nimage: store:1\nport: 80\nvolumes: ['data:/data']\n";
const STORE_2: &str = "name: store\nimage: store:2\nport: 80\nvolumes: ['data:/data']\n";

/// A route that two services have one after the other.
const GIVER: &str = "name: giver\ncontainers:\n  app: {image: 'app:1'}\nroutes:\n  - {domain: shop, to: 'app:80'}\n";
const GIVER_2: &str = "name: giver\ncontainers:\n  app: {image: 'app:1'}\nroutes:\n  - {domain: giver, to: 'app:80'}\n";
const TAKER: &str = "name: taker\ncontainers:\n  app: {image: 'app:2'}\nroutes:\n  - {domain: taker, to: 'app:80'}\n";
const TAKER_2: &str = "name: taker\ncontainers:\n  app: {image: 'app:2'}\nroutes:\n  - {domain: shop, to: 'app:80'}\n";

const GUARDED: &str = "name: guarded\ncontainers:\n  app: {image: 'app:1'}\nroutes:\n  - {domain: guarded, to: 'app:80', access_list: family}\n";
const OPEN: &str =
    "name: guarded\ncontainers:\n  app: {image: 'app:1'}\nroutes:\n  - {domain: guarded, to: 'app:80'}\n";
const FAMILY: &str = "{kind: AccessList, name: family, users: {anna: {secret: family/anna}}, satisfy: any}\n";
const FAMILY_2: &str = "{kind: AccessList, name: family, users: {anna: {secret: family/anna-new}, bert: {secret: family/bert}}, allow: [192.168.0.0/16], satisfy: any}\n";

const MOVED: &str = "name: web\nimage: app:1\nport: 80\nnetwork: {subnet: 10.77.40.0/24}\n";

/// What is built: once, not at all, and once more.
const BUILT: &str = "name: web\nport: 80\nbuild: {context: ./web, dockerfile_inline: \"FROM app:1\\nEXPOSE 80\\n\"}\n";
const BUILT_NOT: &str =
    "name: web\nport: 80\nbuild: {context: ./web, dockerfile_inline: \"FROM app:1\\nRUN exit 7\\nEXPOSE 80\\n\"}\n";
const BUILT_2: &str =
    "name: web\nport: 80\nbuild: {context: ./web, dockerfile_inline: \"FROM app:2\\nRUN echo two\\nEXPOSE 80\\n\"}\n";

const OTHER: &str = "name: other\nimage: app:1\nport: 80\n";
const OTHER_2: &str = "name: other\nimage: app:2\nport: 80\n";

/// The stories in which every call is struck.
pub const STORIES: [Story; 14] = [
    Story { name: "a-new-service", before: &[("other.yaml", OTHER)], acts: &[Act::Write("cloud.yaml", CLOUD)] },
    Story {
        name: "the-environment-changes-start-first",
        before: &[("web.yaml", WEB), ("other.yaml", OTHER)],
        acts: &[Act::Write("web.yaml", WEB_2)],
    },
    Story {
        name: "the-image-changes-stop-first-with-a-volume",
        before: &[("store.yaml", STORE), ("other.yaml", OTHER)],
        acts: &[Act::Write("store.yaml", STORE_2)],
    },
    Story {
        name: "a-candidate-fails-and-is-mended",
        before: &[("web.yaml", WEB), ("other.yaml", OTHER)],
        acts: &[Act::Write("web.yaml", WEB_BAD), Act::Rest, Act::Write("web.yaml", WEB_2)],
    },
    Story {
        name: "a-domain-moves-to-another-service",
        before: &[("giver.yaml", GIVER), ("taker.yaml", TAKER)],
        acts: &[Act::Write("giver.yaml", GIVER_2), Act::Write("taker.yaml", TAKER_2)],
    },
    Story {
        name: "a-service-is-removed",
        before: &[("cloud.yaml", CLOUD), ("other.yaml", OTHER)],
        acts: &[Act::Remove("cloud.yaml")],
    },
    Story {
        name: "a-service-is-purged",
        before: &[("store.yaml", STORE), ("other.yaml", OTHER)],
        acts: &[Act::Purge("store")],
    },
    Story {
        name: "an-access-list-is-added-and-its-passwords-change",
        before: &[("guarded.yaml", OPEN), ("other.yaml", OTHER)],
        acts: &[
            Act::Write("family.yaml", FAMILY),
            Act::Write("guarded.yaml", GUARDED),
            Act::Rest,
            Act::Write("family.yaml", FAMILY_2),
        ],
    },
    Story {
        name: "a-network-moves",
        before: &[("web.yaml", WEB), ("other.yaml", OTHER)],
        acts: &[Act::Write("web.yaml", MOVED)],
    },
    Story {
        name: "npm-is-made-anew-records-drift-and-two-services-change",
        before: &[("web.yaml", WEB), ("other.yaml", OTHER), ("cloud.yaml", CLOUD)],
        acts: &[Act::Meddle(meddle), Act::Write("web.yaml", WEB_2), Act::Write("other.yaml", OTHER_2)],
    },
    Story {
        name: "a-served-host-gets-a-certificate",
        before: &[("web.yaml", WEB), ("other.yaml", OTHER)],
        acts: &[Act::Write("web.yaml", WEB_TLS)],
    },
    // Its labels tell whether the job was made twice.
    Story {
        name: "a-job-runs-before-an-update",
        before: &[("cloud.yaml", WITH_JOB), ("other.yaml", OTHER)],
        acts: &[Act::Write("cloud.yaml", WITH_JOB_2)],
    },
    Story {
        name: "a-service-is-destroyed",
        before: &[("cloud.yaml", CLOUD), ("other.yaml", OTHER)],
        acts: &[Act::Destroy("cloud")],
    },
    Story {
        name: "an-image-is-built-the-next-cannot-be-and-is-mended",
        before: &[("web.yaml", WEB), ("other.yaml", OTHER)],
        acts: &[
            Act::Write("web.yaml", BUILT),
            Act::Rest,
            Act::Write("web.yaml", BUILT_NOT),
            Act::Rest,
            Act::Write("web.yaml", BUILT_2),
        ],
    },
];

/// A record alone. A zone that no manifest names is not read: what a lost ledger alone knew of it is not found there.
const MAIL: (&str, &str) = ("mail.yaml", "{kind: Record, name: mail, type: CNAME, value: legacy.example.net.}\n");

/// Small stories, run thousands of times.
pub const SMALL: [Story; 8] = [
    Story { name: "a-new-service", before: &[MAIL], acts: &[Act::Write("web.yaml", WEB)] },
    Story { name: "start-first", before: &[MAIL, ("web.yaml", WEB)], acts: &[Act::Write("web.yaml", WEB_2)] },
    Story { name: "stop-first", before: &[MAIL, ("store.yaml", STORE)], acts: &[Act::Write("store.yaml", STORE_2)] },
    Story {
        name: "a-failure-mended",
        before: &[MAIL, ("web.yaml", WEB)],
        acts: &[Act::Write("web.yaml", WEB_BAD), Act::Rest, Act::Write("web.yaml", WEB_2)],
    },
    Story { name: "a-removal", before: &[MAIL, ("web.yaml", WEB)], acts: &[Act::Remove("web.yaml")] },
    Story { name: "a-destruction", before: &[MAIL, ("store.yaml", STORE)], acts: &[Act::Destroy("store")] },
    Story {
        name: "an-access-list",
        before: &[MAIL, ("guarded.yaml", OPEN)],
        acts: &[Act::Write("family.yaml", FAMILY), Act::Write("guarded.yaml", GUARDED)],
    },
    Story { name: "a-certificate", before: &[MAIL, ("web.yaml", WEB)], acts: &[Act::Write("web.yaml", WEB_TLS)] },
];

/// NPM's container is re-created, so that it is on none of our networks; a record and a host are edited by hand, and
/// another record is removed.
fn meddle(stage: &Stage) {
    let rig = &stage.rig;
    rig.docker.remove("npm").unwrap();
    rig.docker.seed_container("npm", "npm:2", &["npm_default"]).unwrap();
    let record = |sub: &str, kind: &str| {
        let rows = rig.ovh.records(ZONE);
        let row = rows.into_iter().find(|row| row["subDomain"] == sub && row["fieldType"] == kind);
        row.unwrap_or_else(|| panic!("no {kind} of {sub}"))["id"].as_u64().unwrap()
    };
    assert!(rig.ovh.edit_record(ZONE, record("cloud", "A"), "198.51.100.9"));
    assert!(rig.ovh.remove_record(ZONE, record("web", "A")));
    let rows = rig.npm.rows(npm::Kind::ProxyHost);
    let row = rows.into_iter().find(|row| row["domain_names"] == json!(["web.example.org"])).unwrap();
    rig.npm.edit_proxy_host(row["id"].as_u64().unwrap(), &json!({"allow_websocket_upgrade": false}));
}
