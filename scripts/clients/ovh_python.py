"""Walks through the life of a record with the vendor's own library, python-ovh."""

import dns.message
import dns.query
import dns.rcode
import dns.zone
import ovh

from simulator import arguments, client, expect


def refused(what, kind, text, call):
    try:
        answer = call()
    except ovh.APIError as error:
        expect(what, isinstance(error, kind) and text in str(error), error)
        if isinstance(error, kind):
            expect(f"{what}: names the query", bool(error.query_id), error)
    else:
        expect(what, False, answer)


def resolve(server, name, kind):
    host, port = server.rsplit(":", 1)
    query = dns.message.make_query(name, kind)
    answer, _ = dns.query.udp_with_fallback(query, host, port=int(port), timeout=5)
    return answer


def values(answer):
    return sorted(item.to_text() for rrset in answer.answer for item in rrset)


def main():
    options = arguments(__doc__)
    api = client(options)
    zone = f"/domain/zone/{options.zone}"
    name = f"www.{options.zone}."

    expect("the clock is read", abs(api.time_delta) < 60, api.time_delta)
    credential = api.get("/auth/currentCredential")
    expect("the credential is valid", credential["status"] == "validated", credential)
    expect("the zone is listed", options.zone in api.get("/domain/zone"), None)
    about = api.get(zone)
    expect("the zone has name servers", len(about["nameServers"]) >= 1, about)

    record = api.post(
        f"{zone}/record", fieldType="A", subDomain="www", target="192.0.2.1", ttl=60
    )
    expect("POST answers the record", record["target"] == "192.0.2.1", record)
    number = record["id"]
    listed = api.get(f"{zone}/record", fieldType="A", subDomain="WWW")
    expect("the list is filtered without case", listed == [number], listed)
    if options.dns:
        answer = resolve(options.dns, name, "A")
        unknown = answer.rcode() == dns.rcode.NXDOMAIN
        expect("nothing is published before the refresh", unknown, answer.to_text())
    serial = api.get(f"{zone}/soa")["serial"]
    expect("refresh answers nothing", api.post(f"{zone}/refresh") is None, None)
    moved = api.get(f"{zone}/soa")["serial"]
    expect("refresh moves the serial", moved > serial, (serial, moved))
    if options.dns:
        answer = resolve(options.dns, name, "A")
        expect("the record is published", values(answer) == ["192.0.2.1"], answer.to_text())

    changed = api.put(f"{zone}/record/{number}", target="192.0.2.2", ttl=0, subDomain="www")
    expect("PUT answers null", changed is None, changed)
    seen = api.get(f"{zone}/record/{number}")
    expect("PUT keeps the id", (seen["id"], seen["target"]) == (number, "192.0.2.2"), seen)

    text = api.post(f"{zone}/record", fieldType="TXT", subDomain="_note", target="plain text")
    expect("TXT comes back quoted", text["target"] == '"plain text"', text)
    long = api.post(f"{zone}/record", fieldType="TXT", subDomain="long", target="x" * 300)
    api.post(f"{zone}/refresh")
    if options.dns:
        wanted = ['"' + "x" * 255 + '" "' + "x" * 45 + '"']
        seen = values(resolve(options.dns, f"long.{options.zone}.", "TXT"))
        expect("a long TXT is two strings", seen == wanted, seen)
    exported = api.get(f"{zone}/export")
    parsed = dns.zone.from_text(exported, origin=f"{options.zone}.")
    rows = [rdata.to_text() for _, _, rdata in parsed.iterate_rdatas()]
    ids = api.get(f"{zone}/record")
    expect("the export is a zone file: all records and the SOA", len(rows) == len(ids) + 1, rows)
    expect("the export holds the TXT", '"plain text"' in rows, rows)

    headers = {"X-Pagination-Mode": "CachedObjectList-Pages", "Pragma": "no-cache"}
    whole = api.raw_call("GET", f"{zone}/record", headers=headers).json()
    expect("one call lists whole records", [row["id"] for row in whole] == ids, whole)
    batch = api.raw_call(
        "GET", f"{zone}/record/{number},{text['id']}", headers={"X-Ovh-Batch": ","}
    ).json()
    two = [item["value"]["id"] for item in batch] == [number, text["id"]]
    expect("one call reads two records", two, batch)

    refused(
        "PUT of the type",
        ovh.BadParametersError,
        "Try to alter read-only properties: fieldType",
        lambda: api.put(f"{zone}/record/{number}", fieldType="AAAA"),
    )
    refused(
        "an underscore in a host name",
        ovh.BadParametersError,
        "underscore not allowed",
        lambda: api.post(f"{zone}/record", fieldType="A", subDomain="_a", target="192.0.2.9"),
    )
    refused(
        "a zone that is not ours",
        ovh.ResourceNotFoundError,
        "This service does not exist",
        lambda: api.get("/domain/zone/other.example/record"),
    )
    refused(
        "a wrong consumer key",
        ovh.InvalidCredential,
        "This credential is not valid",
        lambda: client(options, consumer_key="wrong").get("/domain/zone"),
    )

    for row in (number, text["id"], long["id"]):
        expect("DELETE answers null", api.delete(f"{zone}/record/{row}") is None, row)
    refused(
        "a record that is gone",
        ovh.ResourceNotFoundError,
        f"The requested object (id = {number}) does not exist",
        lambda: api.get(f"{zone}/record/{number}"),
    )
    api.post(f"{zone}/refresh")
    if options.dns:
        answer = resolve(options.dns, name, "A")
        unknown = answer.rcode() == dns.rcode.NXDOMAIN
        expect("nothing is left in the DNS", unknown, answer.to_text())


if __name__ == "__main__":
    main()
