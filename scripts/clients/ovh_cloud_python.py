"""Walks through a Public Cloud with the vendor's own library, python-ovh, signed and as a service account."""

import os

import ovh
import ovh.client

from simulator import arguments, client, expect


def refused(what, kind, text, call):
    try:
        answer = call()
    except ovh.APIError as error:
        expect(what, isinstance(error, kind) and text in str(error), error)
        expect(f"{what}: names the query", bool(error.query_id), error)
    else:
        expect(what, False, answer)


def service_account(options):
    """The same endpoint, entered with a token."""
    address = options.endpoint.removesuffix("/1.0")
    ovh.client.OAUTH2_TOKEN_URLS["simulator"] = f"{address}/auth/oauth2/token"
    # The simulator speaks no TLS.
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    # The library reads these, and refuses two ways in at once.
    for name in ("OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET", "OVH_CONSUMER_KEY"):
        os.environ.pop(name, None)
    return ovh.Client(endpoint="simulator", client_id="client-id", client_secret="client-secret")


def power(api, project, server):
    """Each verb once; the simulator is started so that a verb is done with its answer."""
    path = f"{project}/instance/{server}"
    for verb, body, status in (
        ("stop", {}, "SHUTOFF"),
        ("start", {}, "ACTIVE"),
        ("reboot", {"type": "soft"}, "ACTIVE"),
        ("reboot", {"type": "hard"}, "ACTIVE"),
        ("shelve", {}, "SHELVED_OFFLOADED"),
        ("unshelve", {}, "ACTIVE"),
    ):
        expect(f"{verb} answers null", api.post(f"{path}/{verb}", **body) is None, body)
        seen = api.get(path)["status"]
        expect(f"{verb} {body} leads to {status}", seen == status, seen)


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJz0 amarre"


def ids(api, project, region, flavor, image):
    """What is wanted by name, as ids of this region."""
    flavors = {item["name"]: item["id"] for item in api.get(f"{project}/flavor", region=region)}
    images = {item["name"]: item["id"] for item in api.get(f"{project}/image", region=region)}
    return {"flavorId": flavors[flavor], "imageId": images[image]}


def found(api, project, name):
    return [item["id"] for item in api.get(f"{project}/instance") if item["name"] == name]


def managed(api, project):
    """One server by each route, changed and deleted; nothing takes time at the simulator."""
    key = api.post(f"{project}/sshkey", name="amarre-py", publicKey=KEY)
    expect("the key's id has its name in it", bytes.fromhex(key["id"]) == b"YW1hcnJlLXB5", key)
    wanted = ids(api, project, "SBG5", "b3-8", "Debian 13")
    made = api.post(
        f"{project}/instance", name="am-py", region="SBG5", sshKeyId=key["id"], userData="#!/bin/sh\n", **wanted
    )
    expect("it is being built", made["status"] == "BUILD" and made["ipAddresses"] == [], made)
    expect("it has the key", made["sshKey"]["name"] == "amarre-py", made)
    path = f"{project}/instance/{made['id']}"
    expect("it runs", api.get(path)["status"] == "ACTIVE", api.get(path))
    expect("it is listed", found(api, project, "am-py") == [made["id"]], made)

    operation = api.post(
        f"{project}/region/SBG5/instance",
        name="am-py",
        flavor={"id": wanted["flavorId"]},
        bootFrom={"imageId": wanted["imageId"]},
        network={"public": True},
        sshKey={"name": "amarre-py"},
        billingPeriod="hourly",
    )
    expect("an operation has no id of a server", operation["resourceId"] is None, operation)
    operation = api.get(f"{project}/operation/{operation['id']}")
    expect("it is completed", operation["status"] == "completed", operation)
    second = operation["resourceId"]
    expect("two have one name", sorted(found(api, project, "am-py")) == sorted([made["id"], second]), second)

    expect("a name changes", api.put(path, instanceName="am-python") is None, None)
    expect("it is seen", found(api, project, "am-python") == [made["id"]], None)
    larger = ids(api, project, "SBG5", "b3-16", "Debian 12")
    resized = api.post(f"{path}/resize", flavorId=larger["flavorId"])
    expect("a resize answers the server", resized["id"] == made["id"], resized)
    expect("it is larger", api.get(path)["flavor"]["name"] == "b3-16", api.get(path))
    api.post(f"{path}/reinstall", imageId=larger["imageId"])
    expect("it has another image", api.get(path)["image"]["name"] == "Debian 12", api.get(path))
    expect("a snapshot answers null", api.post(f"{path}/snapshot", snapshotName="am-py") is None, None)
    saved = next(item for item in api.get(f"{project}/snapshot", region="SBG5") if item["name"] == "am-py")
    expect("it is private", (saved["visibility"], saved["status"]) == ("private", "active"), saved)
    expect("there is a console", api.post(f"{path}/vnc")["url"].startswith("https://"), None)
    refused(
        "a smaller disk",
        ovh.BadParametersError,
        "disk is smaller",
        lambda: api.post(f"{path}/resize", flavorId=wanted["flavorId"]),
    )

    for server in (made["id"], second):
        expect("a delete answers null", api.delete(f"{project}/instance/{server}") is None, server)
        refused(
            "a server that is gone",
            ovh.ResourceNotFoundError,
            "does not exist",
            lambda server=server: api.get(f"{project}/instance/{server}"),
        )
    api.delete(f"{project}/snapshot/{saved['id']}")
    api.delete(f"{project}/sshkey/{key['id']}")
    expect("nothing is left", not found(api, project, "am-py") + found(api, project, "am-python"), None)
    names = [item["name"] for item in api.get(f"{project}/sshkey")]
    expect("nor of the key", names == ["deploy"], names)


def main():
    options = arguments(__doc__)
    api = client(options)
    credential = api.get("/auth/currentCredential")
    expect("the credential is valid", credential["status"] == "validated", credential)
    projects = [f"/cloud/project/{name}" for name in api.get("/cloud/project")]
    names = [api.get(path)["description"] for path in projects]
    expect("there are two projects", names == ["ci", "web"], names)
    ci, web = projects

    servers = api.get(f"{ci}/instance")
    expect("the list holds all regions", len({item["region"] for item in servers}) == 3, servers)
    some = api.get(f"{ci}/instance", region="GRA11")
    expect("the list is filtered", 0 < len(some) < len(servers), some)
    flavors = {flavor["id"]: flavor for flavor in api.get(f"{ci}/flavor")}
    images = {image["id"] for image in api.get(f"{ci}/image", region="GRA11")}
    for item in some:
        expect(f"{item['name']} has a known flavor", item["flavorId"] in flavors, item)
        expect(f"{item['name']} has a known image", item["imageId"] in images, item)
    detail = api.get(f"{ci}/instance/{some[0]['id']}")
    expect("the detail has the flavor in it", detail["flavor"]["id"] == some[0]["flavorId"], detail)
    for part in ("region", "sshkey", "quota"):
        expect(f"{part} lists something", len(api.get(f"{ci}/{part}")) > 0, None)
    expect("there is no operation", api.get(f"{ci}/operation") == [], None)
    summary = api.get(f"{ci}/region/GRA11/instance/{some[0]['id']}")
    expect("the summary says that it is idle", summary["taskState"] == "", summary)
    catalogue = api.get("/order/catalog/public/cloud", ovhSubsidiary="FR", _need_auth=False)
    plans = {addon["planCode"] for addon in catalogue["addons"]}
    expect("each plan has a price", {item["planCode"] for item in servers} <= plans, plans)

    running = next(item["id"] for item in some if item["name"] == "build-1")
    power(api, ci, running)
    refused(
        "a start of what runs",
        ovh.ResourceConflictError,
        "while it is in vm_state active",
        lambda: api.post(f"{ci}/instance/{running}/start"),
    )
    refused(
        "a project that is not ours",
        ovh.ResourceNotFoundError,
        "This service does not exist",
        lambda: api.get("/cloud/project/other/instance"),
    )
    refused(
        "a server of another project",
        ovh.ResourceNotFoundError,
        "does not exist",
        lambda: api.get(f"{web}/instance/{running}"),
    )
    refused("changing a project", ovh.NotGrantedCall, "not been granted", lambda: api.put(ci, description="x"))
    managed(api, ci)

    account = service_account(options)
    expect("a token reads the same list", len(account.get(f"{ci}/instance")) == len(servers), None)
    power(account, ci, running)
    managed(account, ci)


if __name__ == "__main__":
    main()
