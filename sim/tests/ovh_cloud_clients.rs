//! Proof of the simulated Public Cloud by clients that others wrote: python-ovh and Apache libcloud.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "python/mod.rs"]
mod python;

use amarre_sim::ovh_cloud::{CI_PROJECT, CloudPace, CloudVerb, OvhCloud, OvhCloudOptions};

/// Verbs are done with their answers: neither script waits.
async fn start() -> OvhCloud {
    let options = OvhCloudOptions {
        application_key: python::APPLICATION_KEY.to_owned(),
        application_secret: python::APPLICATION_SECRET.to_owned(),
        consumer_key: python::CONSUMER_KEY.to_owned(),
        pace: CloudPace { lag_s: 0, step_s: 0 },
        ..OvhCloudOptions::dozen()
    };
    OvhCloud::start(options).await.unwrap()
}

fn verbs(cloud: &OvhCloud) -> Vec<CloudVerb> {
    cloud.effects().into_iter().map(|(_, verb)| verb).collect()
}

/// What the vendor's library does once, beside the verbs of power.
const MANAGED: [CloudVerb; 11] = [
    CloudVerb::CreateKey,
    CloudVerb::Create,
    CloudVerb::Create,
    CloudVerb::Rename,
    CloudVerb::Resize,
    CloudVerb::Reinstall,
    CloudVerb::Snapshot,
    CloudVerb::Delete,
    CloudVerb::Delete,
    CloudVerb::DeleteSnapshot,
    CloudVerb::DeleteKey,
];

const POWER: [CloudVerb; 4] = [CloudVerb::Stop, CloudVerb::Start, CloudVerb::RebootSoft, CloudVerb::RebootHard];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vendors_library_works() {
    let cloud = start().await;
    cloud.grant_managing();
    python::check("ovh_cloud_python.py", &["--endpoint", &cloud.endpoint()]).await;
    let once = [POWER.as_slice(), &[CloudVerb::Shelve, CloudVerb::Unshelve], &MANAGED].concat();
    assert_eq!(verbs(&cloud), [once.as_slice(), once.as_slice()].concat(), "signed, and with a token");
    assert_eq!((cloud.created().len(), cloud.deleted().len(), cloud.instances().len()), (4, 4, 12));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libcloud_works() {
    let cloud = start().await;
    cloud.grant_managing();
    // Its list breaks off at a word that OpenStack did not have in 2015.
    for shelved in cloud.instances().iter().filter(|it| it.status == "SHELVED_OFFLOADED") {
        cloud.set_status(&shelved.id, "SHUTOFF");
    }
    python::check("ovh_cloud_libcloud.py", &["--endpoint", &cloud.endpoint(), "--project", CI_PROJECT]).await;
    let managed = [
        CloudVerb::CreateKey,
        CloudVerb::Create,
        CloudVerb::Create,
        CloudVerb::Delete,
        CloudVerb::Delete,
        CloudVerb::DeleteKey,
    ];
    assert_eq!(verbs(&cloud), [POWER.as_slice(), &managed].concat());
    assert_eq!(cloud.created(), cloud.deleted());
}
