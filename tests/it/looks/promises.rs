//! What the loop promises whatever its vendors do: doubts, gaps, isolation, publishing, guards, suspensions.

use super::{CLOUD, plain};
use crate::support::stepped::Stepped;

#[tokio::test]
async fn everything_converges_and_stays_quiet() {
    let mut rig = Stepped::start().await;
    rig.write("cloud.yaml", CLOUD);
    rig.write("plain.yaml", &plain("plain"));
    rig.settle().await;
    assert_eq!(crate::support::get(rig.npm.proxy_address, "plain.example.org", "/").await.unwrap().0, 200);
    assert_eq!(rig.docker.port_moves("npm"), 0, "NPM was not cut");
}
