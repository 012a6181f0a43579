"""Points the vendor's Python library at another endpoint than the vendor's own.

The endpoint and the keys come as arguments or from the environment. python-ovh takes names of
endpoints only, so the address is added to its table (python-ovh 1.2.0 refuses a URL).
"""

import argparse
import os

import ovh.client


def arguments(description, **more):
    parser = argparse.ArgumentParser(description=description)
    for name, default in (
        ("endpoint", None),
        ("application-key", "application-key"),
        ("application-secret", "application-secret"),
        ("consumer-key", "consumer-key"),
        ("zone", "example.com"),
        ("dns", None),
        *more.items(),
    ):
        value = os.environ.get("OVH_" + name.upper().replace("-", "_"), default)
        parser.add_argument("--" + name, default=value)
    options = parser.parse_args()
    if not options.endpoint:
        parser.error("--endpoint or OVH_ENDPOINT is missing")
    ovh.client.ENDPOINTS["simulator"] = options.endpoint
    return options


def client(options, consumer_key=None):
    return ovh.Client(
        endpoint="simulator",
        application_key=options.application_key,
        application_secret=options.application_secret,
        consumer_key=consumer_key or options.consumer_key,
    )


def expect(what, condition, seen):
    """Prints what was checked; ends the script at the first thing that is not so."""
    if not condition:
        raise SystemExit(f"FAILED {what}: {seen!r}")
    print(f"ok {what}")
