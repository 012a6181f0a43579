"""Plans a zone of A records with octoDNS and applies what differs, for its calls to be counted."""

from octodns.record import Record
from octodns.zone import Zone
from octodns_ovh import OvhProvider

from simulator import arguments, expect


def main():
    options = arguments(__doc__, records=1000, changed=0)
    zone = Zone(f"{options.zone}.", [])
    for number in range(int(options.records)):
        value = "198.51.100.8" if number < int(options.changed) else "198.51.100.7"
        zone.add_record(Record.new(zone, f"r{number}", {"ttl": 3600, "type": "A", "value": value}))
    keys = (options.application_key, options.application_secret, options.consumer_key)
    target = OvhProvider("simulator", "simulator", *keys)
    plan = target.plan(zone)
    count = len(plan.changes) if plan else 0
    expect("as many changes as records differ", count == int(options.changed), plan and plan.changes)
    if plan:
        target.apply(plan)


if __name__ == "__main__":
    main()
