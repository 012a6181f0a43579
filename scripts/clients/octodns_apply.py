"""Applies 20 records of 8 types with octoDNS and plans again: nothing may be left to do."""

import dns.message
import dns.name
import dns.query
import dns.rdata
from octodns.record import Record
from octodns.zone import Zone
from octodns_ovh import OvhProvider

from simulator import arguments, client, expect

RECORDS = [
    ("", {"type": "A", "value": "192.0.2.10"}),
    ("", {"type": "AAAA", "value": "2001:db8::10"}),
    ("", {"type": "MX", "values": [
        {"preference": 10, "exchange": "mx1.example.net."},
        {"preference": 20, "exchange": "mx2.example.net."},
    ]}),
    ("", {"type": "CAA", "values": [
        {"flags": 0, "tag": "issue", "value": "letsencrypt.org"},
        {"flags": 0, "tag": "iodef", "value": "mailto:hostmaster@example.net"},
    ]}),
    ("", {"type": "TXT", "values": ["v=spf1 mx -all", "second text"]}),
    ("www", {"type": "A", "values": ["192.0.2.11", "192.0.2.12"]}),
    ("www", {"type": "AAAA", "value": "2001:db8::11"}),
    ("*", {"type": "A", "value": "192.0.2.13"}),
    ("cloud", {"type": "CNAME", "value": "www.example.net."}),
    ("files", {"type": "CNAME", "value": "www.example.net."}),
    ("*.apps", {"type": "CNAME", "value": "www.example.net."}),
    ("git", {"type": "A", "value": "192.0.2.14"}),
    ("git", {"type": "TXT", "value": "heritage=test"}),
    ("git", {"type": "SSHFP", "value": {
        "algorithm": 4, "fingerprint_type": 2,
        "fingerprint": "123456789abcdef67890123456789abcdef67890123456789abcdef123456789",
    }}),
    ("_dmarc", {"type": "TXT", "value": "v=DMARC1\\; p=none"}),
    ("_acme-challenge", {"type": "TXT", "value": "gfj9Xq-Rg85nM_token"}),
    ("_sip._tcp", {"type": "SRV", "value": {
        "priority": 10, "weight": 60, "port": 5060, "target": "sip.example.net.",
    }}),
    ("_imaps._tcp", {"type": "SRV", "value": {
        "priority": 0, "weight": 1, "port": 993, "target": "imap.example.net.",
    }}),
    ("sub", {"type": "MX", "value": {"preference": 5, "exchange": "mx1.example.net."}}),
    ("long", {"type": "TXT", "value": "y" * 400}),
]

TTL = 300


def desired(name, records):
    """The zone as wanted. octoDNS keeps the servers' own NS records when none are wanted."""
    zone = Zone(name, [])
    for sub, data in records:
        zone.add_record(Record.new(zone, sub, {"ttl": TTL, **data}))
    return zone


def provider(options):
    return OvhProvider(
        "simulator",
        "simulator",
        options.application_key,
        options.application_secret,
        options.consumer_key,
    )


def apply(options, records, changes):
    target = provider(options)
    zone = desired(f"{options.zone}.", records)
    plan = target.plan(zone)
    count = len(plan.changes) if plan else 0
    expect(f"the plan has {changes} changes", count == changes, plan and plan.changes)
    target.apply(plan)
    again = provider(options).plan(desired(f"{options.zone}.", records))
    expect("a second plan is empty", again is None, again and again.changes)


def check(server, record):
    """Asks an authoritative server for the record and compares data and TTL."""
    host, port = server.rsplit(":", 1)
    name = record.fqdn.replace("*", "any")
    query = dns.message.make_query(name, record._type)
    answer, _ = dns.query.udp_with_fallback(query, host, port=int(port), timeout=5)
    found = answer.get_rrset(answer.answer, dns.name.from_text(name), "IN", record._type)
    expect(f"the DNS has {name} {record._type}", found is not None, answer.to_text())
    if record._type == "TXT":
        seen = {b"".join(item.strings).decode() for item in found}
        wanted = {value.replace("\\;", ";") for value in record.values}
    else:
        seen = set(found)
        texts = record.rrs[3]
        wanted = {dns.rdata.from_text("IN", record._type, text) for text in texts}
    expect(f"the same {name} {record._type}", seen == wanted, (seen, wanted))
    expect(f"its TTL {name} {record._type}", found.ttl == record.ttl, found.ttl)


def main():
    options = arguments(__doc__)
    types = {data["type"] for _, data in RECORDS}
    expect("20 records of 8 types", (len(RECORDS), len(types)) == (20, 8), types)
    servers = f"/domain/zone/{options.zone}/record?fieldType=NS"
    before = client(options).get(servers)

    apply(options, RECORDS, 20)
    if options.dns:
        for record in desired(f"{options.zone}.", RECORDS).records:
            check(options.dns, record)

    changed = [
        (sub, {"type": "A", "value": "192.0.2.99"}) if (sub, data["type"]) == ("git", "A") else (sub, data)
        for sub, data in RECORDS
        if sub != "files"
    ]
    apply(options, changed, 2)
    apply(options, [], 19)
    expect("the servers' NS records stayed", client(options).get(servers) == before, before)


if __name__ == "__main__":
    main()
