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
    refused("creating one", ovh.NotGrantedCall, "not been granted", lambda: api.post(f"{ci}/instance"))

    account = service_account(options)
    expect("a token reads the same list", len(account.get(f"{ci}/instance")) == len(servers), None)
    power(account, ci, running)


if __name__ == "__main__":
    main()
