"""Creates, switches and deletes servers with Apache libcloud's driver for Kamatera, as it is.

Only its pause between two looks at the queue is shortened.
"""

import functools
from urllib.parse import urlsplit

from libcloud.common.exceptions import BaseHTTPError
from libcloud.compute.base import NodeAuthSSHKey
from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState, Provider

from simulator import arguments, expect

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHNvbWUga2V5IG9mIGEgdGVzdCBhbmQgbm90IGE ops"


def driver(options, secret="secret"):
    address = urlsplit(options.endpoint)
    made = get_driver(Provider.KAMATERA)(
        "client-id", secret, secure=False, host=address.hostname, port=address.port
    )
    # An argument of the driver's own method.
    made.ex_wait_command = functools.partial(made.ex_wait_command, poll_interval_seconds=0.05)
    return made


def catalogue(cloud):
    """The datacenter, image and size of the servers that are made."""
    locations = {location.id: location for location in cloud.list_locations()}
    expect("datacenters are listed", {"EU", "IL", "US-NY2"} <= set(locations), locations)
    location = locations["EU"]
    images = cloud.list_images(location)
    image = next(image for image in images if image.extra["code"] == "24.04 64bit")
    expect("an image belongs to its datacenter", image.extra["datacenter"] == "EU", image.extra)
    sizes = {size.id: size for size in cloud.list_sizes(location)}
    expect("sizes are listed", set(sizes) == {"small", "medium", "large"}, sizes)
    capabilities = cloud.ex_list_capabilities(location)
    kinds = [kind["id"] for kind in capabilities["cpuTypes"]]
    expect("capabilities are listed", sorted(kinds) == ["A", "B", "D", "T"], kinds)
    return location, image, sizes["small"]


def states(cloud):
    return {node.name: node.state for node in cloud.list_nodes()}


def look(options, cloud):
    try:
        refused = driver(options, "wrong").list_nodes()
    except BaseHTTPError as error:
        refused = error
    text = "you are not logged in"
    expect("a wrong key is refused", getattr(refused, "code", 0) == 401 and text in str(refused), refused)
    nodes = states(cloud)
    expect("all servers are listed", len(nodes) == 8, nodes)
    expect("one runs", nodes["shop-web"] == NodeState.RUNNING, nodes)
    expect("one is stopped", nodes["old-mail"] == NodeState.STOPPED, nodes)
    full = {node.name: node for node in cloud.list_nodes(ex_full_details=True)}
    expect("all are listed with details", set(full) == set(nodes), full)
    expect("each has a public address", all(node.public_ips for node in full.values()), full)
    expect("one has a private one", full["shop-db"].private_ips == ["10.0.0.5"], full["shop-db"])
    cycle = full["cache-1"].extra["billingcycle"]
    expect("one is billed by the month", cycle == "monthly", cycle)
    shop = cloud.list_nodes(ex_name_regex="shop-.*")
    expect("names are expressions", len(shop) == 3, shop)


def main():
    options = arguments(__doc__)
    cloud = driver(options)
    look(options, cloud)
    location, image, size = catalogue(cloud)

    node = cloud.create_node(
        name="am-libcloud", size=size, image=image, location=location, auth=NodeAuthSSHKey(KEY)
    )
    expect("a server is created with a key", node.state == NodeState.RUNNING, node)
    expect("it has an id and an address", node.id and len(node.public_ips) == 1, node)
    same = cloud.list_nodes(ex_id=node.id)
    expect("it is found by its id", [one.name for one in same] == ["am-libcloud"], same)

    expect("it is rebooted", cloud.reboot_node(node), node)
    expect("it is stopped", cloud.stop_node(node), node)
    expect("and seen so", states(cloud)["am-libcloud"] == NodeState.STOPPED, states(cloud))
    expect("it is started", cloud.start_node(node), node)
    expect("and seen so", states(cloud)["am-libcloud"] == NodeState.RUNNING, states(cloud))

    # The name is taken. The driver would look for the new one by its name, whose suffix is a group
    # in an expression, and not find it: so it is not told to wait.
    second = cloud.create_node(
        name="am-libcloud", size=size, image=image, location=location, ex_wait=False
    )
    password = second.extra.get("generated_password")
    expect("a password is made", password and 10 <= len(password) <= 20, password)
    command = cloud.ex_wait_command(second.extra["create_command_id"])
    expect("its log has the real name", "Name: am-libcloud(1)\n" in command["log"], command)
    found = [one for one in cloud.list_nodes() if one.name == "am-libcloud(1)"]
    expect("the second is listed", len(found) == 1, found)

    for one in (found[0], node):
        expect("it is deleted", cloud.destroy_node(one), one)
    expect("both are gone", len(states(cloud)) == 8, states(cloud))


if __name__ == "__main__":
    main()
