//! What is there at a vendor without what differs from one run to the next, so that two worlds can be compared.

use serde_json::{Value as Json, json};

/// A container, ids and addresses of ours aside.
pub fn container(container: &Json) -> Json {
    let mut networks: Vec<&String> =
        container["NetworkSettings"]["Networks"].as_object().into_iter().flatten().map(|(name, _)| name).collect();
    networks.sort();
    let is_ours = container["Config"]["Labels"]["io.amarre.instance"] == "home";
    json!({
        "name": container["Name"], "image": container["Config"]["Image"], "labels": container["Config"]["Labels"],
        "env": container["Config"]["Env"], "running": container["State"]["Running"], "networks": networks,
        "restart": container["HostConfig"]["RestartPolicy"]["Name"], "mounts": container["HostConfig"]["Mounts"],
        "id": if is_ours { Json::Null } else { container["Id"].clone() },
    })
}

/// A row of NPM, id, owner, times and address of ours aside.
pub fn row(mut row: Json) -> Json {
    let is_foreign = is_foreign(&row);
    let row_fields = row.as_object_mut().unwrap();
    for volatile in ["created_on", "modified_on"] {
        row_fields.remove(volatile);
    }
    if !is_foreign {
        row_fields.remove("id");
        row_fields.remove("forward_host");
    }
    row
}

pub fn is_foreign(row: &Json) -> bool {
    row["meta"]["amarre_instance"].is_null()
}

pub fn record(mut record: Json) -> Json {
    if is_ours(&record) {
        record.as_object_mut().unwrap().remove("id");
    }
    record
}

pub fn is_ours(record: &Json) -> bool {
    record["subDomain"] != "foreign" && (record["subDomain"] != "" || record["fieldType"] == "A")
}
