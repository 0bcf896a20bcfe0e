"""What a service may be, and what is said of one that may not."""

from __future__ import annotations

import pytest

from nodedns.checks.decode_service import decode_service_untrusted, decode_services_untrusted
from nodedns.checks.definition import ServiceDefinition, service_warnings
from nodedns.config.hcl import parse_hcl
from nodedns.errors import DefinitionError
from nodedns.model.service import NamedPort, Service, ServiceAddress, Weights


def web(**keys: object) -> ServiceDefinition:
    return decode_service_untrusted({"name": "web", **keys})


def refusal(**keys: object) -> DefinitionError:
    with pytest.raises(DefinitionError) as refused:
        web(**keys)
    return refused.value


def test_a_name_is_enough() -> None:
    assert ServiceDefinition(Service(id="web", name="web")) == web()


def test_keys_match_as_files_and_as_requests_spell_them() -> None:
    of_file = {
        "id": "web1",
        "name": "web",
        "tags": ["v1"],
        "address": "a.example",
        "port": 80,
        "meta": {"k": "v"},
        "tagged_addresses": {"lan": {"address": "b", "port": 1}},
        "enable_tag_override": True,
        "weights": {"passing": 5, "warning": 2},
        "token": "t",
        "check": {"ttl": "5s"},
    }
    of_request = {
        "ID": "web1",
        "Name": "web",
        "Tags": ["v1"],
        "Address": "a.example",
        "Port": 80,
        "Meta": {"k": "v"},
        "TaggedAddresses": {"lan": {"Address": "b", "Port": 1}},
        "EnableTagOverride": True,
        "Weights": {"Passing": 5, "Warning": 2},
        "Token": "t",
        "Check": {"TTL": "5s"},
        "Checks": None,
        "Proxy": None,
        "Connect": None,
        "Kind": "",
        "Namespace": "default",
    }
    found = decode_service_untrusted(of_file)

    assert found == decode_service_untrusted(of_request)
    assert ("web1", ("v1",), Weights(5, 2), {"lan": ServiceAddress("b", 1)}) == (
        found.service.id,
        found.service.tags,
        found.service.weights,
        found.service.tagged_addresses,
    )


@pytest.mark.parametrize(
    ("address", "tags"),
    [("10.0.0.1", ("lan_ipv4", "wan_ipv4")), ("2001:db8::1", ("lan_ipv6", "wan_ipv6")), ("a.example", ()), ("", ())],
)
def test_tags_of_an_ip_address_are_filled_in(address: str, tags: tuple[str, ...]) -> None:
    tagged = web(address=address, port=80).service.tagged_addresses

    assert {tag: ServiceAddress(address, 80) for tag in tags} == tagged


def test_a_tag_that_is_given_is_left_alone() -> None:
    tagged = web(address="10.0.0.1", tagged_addresses={"wan_ipv4": {"address": "192.0.2.1"}}).service.tagged_addresses

    assert (ServiceAddress("192.0.2.1"), ServiceAddress("10.0.0.1")) == (tagged["wan_ipv4"], tagged["lan_ipv4"])


def test_the_only_check_has_the_services_id_and_several_are_numbered() -> None:
    one = web(id="web1", check={"ttl": "1s"})
    three = web(id="web1", check={"ttl": "1s"}, checks=[{"ttl": "2s", "name": "n"}, {"ttl": "3s", "check_id": "own"}])

    assert [("service:web1", "Service 'web' check", "web1")] == [(c.id, c.name, c.service_id) for c in one.checks]
    assert [("service:web1:1", "Service 'web' check"), ("service:web1:2", "n"), ("own", "Service 'web' check")] == [
        (check.id, check.name) for check in three.checks
    ]


def test_an_empty_check_is_none() -> None:
    assert () == web(check={}, checks=[]).checks


def test_ports_take_the_place_of_a_port() -> None:
    ports = web(ports=[{"name": "http", "port": 80, "default": True}, {"name": "admin", "port": 81}]).service.ports

    assert (NamedPort("http", 80, is_default=True), NamedPort("admin", 81)) == ports


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"name": ""}, "Missing service name"),
        ({"address": "0.0.0.0"}, "Invalid service address"),
        ({"address": "::"}, "Invalid service address"),
        ({"address": "0:0::0"}, "Invalid service address"),
        ({"weights": {"passing": 0}}, "Invalid Weights: Passing must be greater than 0"),
        ({"weights": {"passing": 1, "warning": -1}}, "Invalid Weights: Warning must be greater or equal than 0"),
        ({"weights": {"passing": 65536}}, "Invalid Weights: DNS Weight must be between 0 and 65535"),
        ({"meta": {"": "x"}}, "Invalid Service Meta: Couldn't load metadata pair ('', 'x'): Key cannot be blank"),
        (
            {"meta": {"a b": "x"}},
            "Invalid Service Meta: Couldn't load metadata pair ('a b', 'x'): Key contains invalid characters",
        ),
        (
            {"meta": {f"k{n}": "" for n in range(65)}},
            "Invalid Service Meta: Node metadata cannot contain more than 64 key/value pairs",
        ),
        (
            {"port": 1, "ports": [{"name": "a", "port": 2, "default": True}]},
            "Validation failed: Both port and ports cannot be set",
        ),
        ({"ports": [{"port": 2}]}, "Validation failed: Ports.Name cannot be empty"),
        ({"ports": [{"name": "a"}]}, "Validation failed: Ports.Port must be greater than zero"),
        (
            {"ports": [{"name": "a", "port": 1, "default": True}, {"name": "a", "port": 2}]},
            'Validation failed: Ports.Name "a" has to be unique',
        ),
        (
            {"ports": [{"name": "a", "port": 1, "default": True}, {"name": "b", "port": 2, "default": True}]},
            "Validation failed: Only one port can be marked as default",
        ),
        ({"ports": [{"name": "a", "port": 1}]}, "Validation failed: One of the Ports must be marked as Default"),
        ({"port": 70000}, "Validation failed: port must be between 0 and 65535"),
        ({"port": "80"}, "Request decode failed: port must be a whole number, not '80'"),
        (
            {"tagged_addresses": {"lan_ipv4": {"address": "::1"}}},
            'Service tagged address "lan_ipv4" must be a valid ipv4 address',
        ),
        (
            {"tagged_addresses": {"wan_ipv6": {"address": "1.2.3.4"}}},
            'Service tagged address "wan_ipv6" must be a valid ipv6 address',
        ),
        ({"check": {"ttl": "0s"}}, "Invalid check: TTL must be > 0 for TTL checks"),
        ({"checks": [{"ttl": "1s", "status": "good"}]}, "Status for checks must 'passing', 'warning', 'critical'"),
        ({"checks": [{"ttl": "1s", "id": "a"}, {"ttl": "1s", "id": "a"}]}, 'Invalid check: two checks have the ID "a"'),
        ({"colour": "red"}, 'Request decode failed: json: unknown field "colour"'),
        (
            {"kind": "connect-proxy"},
            "Request decode failed: kind is not supported by nodedns: there is no service mesh",
        ),
        (
            {"connect": {"sidecar_service": {}}},
            "Request decode failed: connect is not supported by nodedns: there is no service mesh",
        ),
        ({"tags": "v1"}, "Request decode failed: tags must be a list of strings, not 'v1'"),
        ({"check": "x"}, "Request decode failed: check must be an object of at most 256 keys, not 'x'"),
    ],
)
def test_what_is_wrong_is_said_in_consul_words(keys: dict[str, object], text: str) -> None:
    assert text == str(refusal(**keys))


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"checks": [{"ttl": "1s"}, {"tcp": "a:1", "interval": "x"}]}, "checks[1].interval"),
        ({"check": {"colour": 1}}, "check.colour"),
        ({"meta": {"k": 1}}, "meta.k"),
        ({"tagged_addresses": {"lan_ipv4": {"address": "x"}}}, "tagged_addresses.lan_ipv4"),
    ],
)
def test_an_error_knows_its_key(keys: dict[str, object], path: str) -> None:
    assert path == refusal(**keys).path


def test_hcl_is_read_however_its_blocks_are_written() -> None:
    blocks = parse_hcl("""
        services { name = "a"  check { ttl = "1s" }  weights { passing = 3 } }
        services { name = "b"  tagged_addresses { lan { address = "10.0.0.1" port = 1 } }  checks = [{ ttl = "1s" }] }
    """)
    a, b = decode_services_untrusted(blocks["services"])

    assert ("a", Weights(3, 1), "service:a") == (a.service.name, a.service.weights, a.checks[0].id)
    assert (ServiceAddress("10.0.0.1", 1), "service:b") == (b.service.tagged_addresses["lan"], b.checks[0].id)


def test_the_place_of_a_wrong_service_is_known() -> None:
    with pytest.raises(DefinitionError) as refused:
        decode_services_untrusted([{"name": "a"}, {"name": "b", "port": -1}])

    assert "[1].port" == refused.value.path


def test_names_that_dns_cannot_spell_are_kept_and_told() -> None:
    found = web(name="we_b", tags=["ok", "not ok"], check={"tcp": "a:1", "interval": "1ms"})

    assert 3 == len(service_warnings(found))
    assert "'we_b'" in service_warnings(found)[0]
    assert () == service_warnings(web(tags=["v1"]))


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"id": "i" * 513}, "id is too long (limit: 512 characters)"),
        ({"address": "a\nb"}, "Invalid service address"),
        ({"tags": ["t" * 4_097]}, "Validation failed: Service.Tags is too long (limit: 4096 characters)"),
        (
            {"ports": [{"name": f"p{n}", "port": 1, "default": not n} for n in range(65)]},
            "Validation failed: Service.Ports cannot contain more than 64 ports",
        ),
        ({"ports": [{"name": "a", "port": 70_000}]}, "Validation failed: Ports.Port must be between 0 and 65535"),
        (
            {"tagged_addresses": {"lan": {"address": "a", "port": -1}}},
            'Service tagged address "lan" has a port that is not between 0 and 65535',
        ),
        ({"tagged_addresses": {"lan": {"address": "a\n"}}}, 'Service tagged address "lan" cannot be kept'),
        (
            {"checks": [{"ttl": "1s"}] * 257},
            "Request decode failed: checks must be a list of at most 256, not 'one of 257'",
        ),
        ({"check": {"ttl": "1s"}, "checks": [{"ttl": "1s"}] * 256}, "a service may have 256 checks"),
        (
            {"check": {"ttl": "1s", "service_id": "other"}},
            "Invalid check: service_id must be that of the service around it",
        ),
    ],
)
def test_what_no_agent_could_keep_is_refused(keys: dict[str, object], text: str) -> None:
    assert text == str(refusal(**keys))
