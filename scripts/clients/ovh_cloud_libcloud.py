"""Manages servers of a Public Cloud with Apache libcloud, which nobody at the vendor wrote."""

import time

from libcloud.common.ovh import OvhConnection
from libcloud.compute.base import NodeLocation
from libcloud.compute.types import NodeState, Provider
from libcloud.compute.providers import get_driver
from urllib.parse import urlsplit

from simulator import arguments, expect


def driver(options, project):
    address = urlsplit(options.endpoint)
    # It would ask https://…/auth/time.
    OvhConnection.get_timestamp = lambda self: int(time.time())
    made = get_driver(Provider.OVH)(
        options.application_key, options.application_secret, project, options.consumer_key
    )
    connection = made.connection
    connection.host, connection.port, connection.secure = address.hostname, address.port, False
    # It was made for the vendor's address.
    connection.connection = None
    connection.connect()
    return made


def managed(cloud, size, count):
    """A server is created with a key and deleted; the driver can neither rename nor resize."""
    # Its own list of locations breaks off at regions that it does not know.
    location = NodeLocation("GRA11", "GRA11", "FR", cloud)
    key = cloud.import_key_pair_from_string("am-libcloud", "ssh-ed25519 AAAA am", location)
    image = next(image for image in cloud.list_images(location) if image.name == "Debian 13")
    node = cloud.create_node("am-libcloud", image, size, location, ex_keyname=key.name)
    expect("a server is being made", node.state == NodeState.PENDING, node)
    same = cloud.ex_get_node(node.id)
    expect("it runs", same.state == NodeState.RUNNING and same.public_ips, same)
    # The name is taken, and that is no matter.
    second = cloud.create_node("am-libcloud", image, size, location)
    names = [node.name for node in cloud.list_nodes()]
    expect("both are listed", names.count("am-libcloud") == 2 and second.id != node.id, names)
    price = cloud.ex_get_pricing(size.id)
    expect("both have a price", price["hourly"] > 0 and price["monthly"] > price["hourly"], price)
    for one in (node, second):
        expect("it is deleted", cloud.destroy_node(one), one)
    expect("both are gone", len(cloud.list_nodes()) == count, None)
    expect("the key is deleted", cloud.delete_key_pair(key), key)
    expect("no other is", [key.name for key in cloud.list_key_pairs()] == ["deploy"], None)


def main():
    options = arguments(__doc__, project=None)
    cloud = driver(options, options.project)

    nodes = cloud.list_nodes()
    expect("all servers are listed", len(nodes) == 7, nodes)
    states = {node.name: node.state for node in nodes}
    expect("one runs", states["build-1"] == NodeState.RUNNING, states)
    expect("one is stopped", states["build-2"] == NodeState.STOPPED, states)
    expect("one is broken", states["build-9"] == NodeState.ERROR, states)
    expect("each has addresses", all(node.public_ips for node in nodes), nodes)
    node = next(node for node in nodes if node.name == "build-1")
    sizes = {size.id: size for size in cloud.list_sizes()}
    size = sizes[node.extra["flavorId"]]
    expect("its size is known", (size.name, size.disk) == ("c3-4", 50), size)
    expect("a size is read", cloud.ex_get_size(size.id).name == "c3-4", size)
    images = {image.id: image for image in cloud.list_images()}
    image = images[node.extra["imageId"]]
    expect("its image is known", image.name == "Debian 13", image)
    expect("an image is read", cloud.get_image(image.id).name == "Debian 13", image)
    keys = cloud.list_key_pairs()
    expect("its key is known", node.extra["sshKeyId"] in [key.extra["id"] for key in keys], keys)

    # The driver has no verbs of power; its connection signs them as it signs all else.
    def verb(name, body=None):
        path = f"/1.0/cloud/project/{options.project}/instance/{node.id}/{name}"
        answer = cloud.connection.request(path, data=body, method="POST")
        expect(f"{name} is answered null", answer.object is None, answer.object)
        return cloud.ex_get_node(node.id).state

    for name, body, state in (
        ("stop", None, NodeState.STOPPED),
        ("start", None, NodeState.RUNNING),
        ("reboot", {"type": "soft"}, NodeState.RUNNING),
        ("reboot", {"type": "hard"}, NodeState.RUNNING),
    ):
        seen = verb(name, body)
        expect(f"{name} {body} leads to {state}", seen == state, seen)

    managed(cloud, size, len(nodes))


if __name__ == "__main__":
    main()
