//! What the engine says of itself. Shapes as on 20.10.24.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::response::Response;
use serde_json::{Value, json};

use super::images::listed;
use super::state::{Image, State, Status};

pub(super) fn ping(head: bool) -> Response {
    let mut response = Response::new(if head { Body::empty() } else { Body::from("OK") });
    let headers = response.headers_mut();
    for (name, value) in [
        ("cache-control", "no-cache, no-store, must-revalidate"),
        ("pragma", "no-cache"),
        ("content-type", "text/plain; charset=utf-8"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

pub(super) fn version(api: &str) -> Value {
    json!({
        "Platform": {"Name": ""},
        "Components": [{"Name": "Engine", "Version": "20.10.24", "Details": {
            "ApiVersion": api, "Arch": "amd64", "BuildTime": "2023-04-04T18:18:06.000000000+00:00",
            "Experimental": "false", "GitCommit": "5d6db84", "GoVersion": "go1.19.8", "KernelVersion": "6.1.0",
            "MinAPIVersion": "1.12", "Os": "linux",
        }}],
        "Version": "20.10.24", "ApiVersion": api, "MinAPIVersion": "1.12", "GitCommit": "5d6db84",
        "GoVersion": "go1.19.8", "Os": "linux", "Arch": "amd64", "KernelVersion": "6.1.0",
        "BuildTime": "2023-04-04T18:18:06.000000000+00:00",
    })
}

pub(super) fn info(state: &State) -> Value {
    let running = state.containers.iter().filter(|c| c.status == Status::Running).count();
    let all = state.containers.len();
    let mut info = json!({
        "ID": "SIMU:LATE:DENG:INE0:0000:0000:0000:0000:0000:0000:0000:0000",
        "Containers": all, "ContainersRunning": running, "ContainersPaused": 0, "ContainersStopped": all - running,
        "Images": state.images.len(), "Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "extfs"]],
    });
    let plugins = json!({
        "Plugins": {
            "Volume": ["local"], "Network": ["bridge", "host", "ipvlan", "macvlan", "null", "overlay"],
            "Authorization": null, "Log": ["json-file", "local", "journald", "syslog"],
        },
    });
    let kernel = json!({
        "MemoryLimit": true, "SwapLimit": true, "KernelMemory": true, "KernelMemoryTCP": true,
        "CpuCfsPeriod": true, "CpuCfsQuota": true, "CPUShares": true, "CPUSet": true, "PidsLimit": true,
        "IPv4Forwarding": true, "BridgeNfIptables": true, "BridgeNfIp6tables": true, "Debug": false, "NFd": 27,
        "OomKillDisable": true, "NGoroutines": 39, "SystemTime": crate::clock::now().to_string(),
        "LoggingDriver": "json-file", "CgroupDriver": "cgroupfs", "CgroupVersion": "1",
        "NEventsListener": state.events.receiver_count(), "KernelVersion": "6.1.0",
        "OperatingSystem": "Simulated engine", "OSVersion": "12", "OSType": "linux", "Architecture": "x86_64",
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": {
            "AllowNondistributableArtifactsCIDRs": [], "AllowNondistributableArtifactsHostnames": [],
            "InsecureRegistryCIDRs": ["127.0.0.0/8"],
            "IndexConfigs": {"docker.io": {"Name": "docker.io", "Mirrors": [], "Secure": true, "Official": true}},
            "Mirrors": [],
        },
    });
    let rest = json!({
        "NCPU": 2, "MemTotal": 4_294_967_296_u64, "GenericResources": null, "DockerRootDir": "/var/lib/docker",
        "HttpProxy": "", "HttpsProxy": "", "NoProxy": "", "Name": "simulated", "Labels": [],
        "ExperimentalBuild": false, "ServerVersion": "20.10.24", "Runtimes": {"runc": {"path": "runc"}},
        "DefaultRuntime": "runc",
        "Swarm": {
            "NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "",
            "RemoteManagers": null,
        },
        "LiveRestoreEnabled": false, "Isolation": "", "InitBinary": "docker-init",
        "ContainerdCommit": {"ID": "", "Expected": ""}, "RuncCommit": {"ID": "", "Expected": ""},
        "InitCommit": {"ID": "", "Expected": ""}, "SecurityOptions": ["name=seccomp,profile=default"],
        "Warnings": null,
    });
    for part in [plugins, kernel, rest] {
        if let (Some(info), Value::Object(part)) = (info.as_object_mut(), part) {
            info.extend(part);
        }
    }
    info
}

/// `GET /system/df`.
pub(super) fn disk_use(state: &State) -> Value {
    let image = |image: &Image| {
        let mut shown = listed(image);
        let users = state.containers.iter().filter(|c| c.image_id == image.id).count();
        shown["Containers"] = json!(users);
        shown["SharedSize"] = json!(0);
        shown
    };
    let images: Vec<Value> = state.images.iter().map(image).collect();
    let containers: Vec<Value> = (0..state.containers.len()).map(|index| state.listed(index)).collect();
    let mut volumes = Vec::new();
    for name in state.volumes.keys() {
        if let Ok(mut volume) = state.show_volume(name) {
            let users = state.volume_users(name).len();
            volume["UsageData"] = json!({"RefCount": users, "Size": 0});
            volumes.push(volume);
        }
    }
    json!({
        "LayersSize": 1_982_312 * images.len(), "Images": images, "Containers": containers, "Volumes": volumes,
        "BuildCache": null, "BuilderSize": 0,
    })
}
