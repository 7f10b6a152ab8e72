"""Private DNS records as Terraform's HCL, as /etc/hosts and as dnsmasq's configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.domain.internalnames import InternalName, record_name

HEAD: Final = "# Written by `bgmon dns {what}`: write it again when services or hosts change.\n"


@dataclass(frozen=True, slots=True)
class Record:
    """One name: its label for Terraform, its name in the zone and in full, and the expression of its addresses."""

    label: str
    name: str
    full: str
    hosts: tuple[str, ...]

    @property
    def addresses(self) -> str:
        return "[" + ", ".join(f"local.bgmon_addresses[{_text(host)}]" for host in self.hosts) + "]"


Form = Callable[[Sequence[Record], str, int], str]


def terraform(provider: str, names: Sequence[InternalName], zone: str, ttl: int, expressions: Mapping[str, str]) -> str:
    """The records as HCL.

    Args:
        provider: a key of PROVIDERS.
        names: the services' names.
        zone: in which they are.
        ttl: of the records, in seconds.
        expressions: of a host's address, for instance an attribute of its resource: then a machine that is made anew
            changes its record by itself. A host without one gets a variable.

    Raises:
        ValueError: a name is not in the zone.
    """
    records = [
        Record(_label(one.service), record_name(one.name, zone), one.name, one.hosts) for one in names if one.hosts
    ]
    hosts = sorted({host for one in records for host in one.hosts})
    text = HEAD.format(what=f"terraform {provider}")
    for host in hosts:
        if host not in expressions:
            text += f'\nvariable "bgmon_address_{_label(host)}" {{\n'
            text += f"  description = {_text(f'Private address of {host}')}\n  type        = string\n}}\n"
    text += "\nlocals {\n  bgmon_addresses = {\n"
    width = max((len(_text(host)) for host in hosts), default=0)
    for host in hosts:
        text += f"    {_text(host).ljust(width)} = {expressions.get(host, f'var.bgmon_address_{_label(host)}')}\n"
    return text + "  }\n}\n" + PROVIDERS[provider](records, zone, ttl)


def _google(records: Sequence[Record], zone: str, ttl: int) -> str:
    text = _variable("bgmon_zone", f"Name of the private managed zone for {zone}")
    for one in records:
        text += _resource(
            "google_dns_record_set", one.label,
            managed_zone="var.bgmon_zone", name=_text(f"{one.full}."), type='"A"', ttl=str(ttl), rrdatas=one.addresses,
        )  # fmt: skip
    return text


def _route53(records: Sequence[Record], zone: str, ttl: int) -> str:
    text = f'\ndata "aws_route53_zone" "bgmon" {{\n  name         = {_text(zone)}\n  private_zone = true\n}}\n'
    for one in records:
        text += _resource(
            "aws_route53_record", one.label,
            zone_id="data.aws_route53_zone.bgmon.zone_id", name=_text(one.full), type='"A"', ttl=str(ttl),
            records=one.addresses,
        )  # fmt: skip
    return text


def _azure(records: Sequence[Record], zone: str, ttl: int) -> str:
    text = _variable("bgmon_resource_group", f"Resource group of the private zone {zone}")
    for one in records:
        text += _resource(
            "azurerm_private_dns_a_record", one.label,
            name=_text(one.name), zone_name=_text(zone), resource_group_name="var.bgmon_resource_group", ttl=str(ttl),
            records=one.addresses,
        )  # fmt: skip
    return text


def _hetzner(records: Sequence[Record], zone: str, ttl: int) -> str:
    text = "\n# Hetzner has no private zones: these records are public, their addresses private.\n"
    for one in records:
        values = f"[for address in {one.addresses} : {{ value = address }}]"
        text += _resource(
            "hcloud_zone_rrset", one.label,
            zone=_text(zone), name=_text(one.name), type='"A"', ttl=str(max(ttl, 60)), records=values,
        )  # fmt: skip
    return text


def _digitalocean(records: Sequence[Record], zone: str, ttl: int) -> str:
    text = "\n# DigitalOcean has no private zones: these records are public, their addresses private.\n"
    for one in records:
        hosts = "[" + ", ".join(_text(host) for host in one.hosts) + "]"
        text += _resource(
            "digitalocean_record", one.label,
            for_each=f"toset({hosts})", domain=_text(zone), type='"A"', name=_text(one.name),
            value="local.bgmon_addresses[each.key]", ttl=str(max(ttl, 30)),
        )  # fmt: skip
    return text


PROVIDERS: Final[Mapping[str, Form]] = {
    "google": _google,
    "route53": _route53,
    "azure": _azure,
    "hetzner": _hetzner,
    "digitalocean": _digitalocean,
}


def hosts_lines(names: Sequence[InternalName]) -> str:
    """Lines for /etc/hosts, or for a file of dnsmasq's `addn-hosts`."""
    text = HEAD.format(what="hosts")
    return text + "".join(f"{address}\t{one.name}\n" for one in names for address in one.addresses.values())


def dnsmasq(names: Sequence[InternalName]) -> str:
    """A file for dnsmasq's `conf-dir`. A name without an address stays unknown; no other server is asked for it."""
    text = HEAD.format(what="hosts --dnsmasq")
    for one in names:
        text += f"local=/{one.name}/\n"
        text += "".join(f"address=/{one.name}/{address}\n" for address in one.addresses.values())
    return text


def _variable(name: str, description: str) -> str:
    return f'\nvariable "{name}" {{\n  description = {_text(description)}\n  type        = string\n}}\n'


def _resource(kind: str, label: str, **arguments: str) -> str:
    width = max(map(len, arguments))
    lines = "".join(f"  {name.ljust(width)} = {value}\n" for name, value in arguments.items())
    return f'\nresource "{kind}" "{label}" {{\n{lines}}}\n'


def _label(name: str) -> str:
    """What Terraform takes for a name of its own."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name if not name[:1].isdigit() else f"_{name}")


def _text(value: str) -> str:
    return json.dumps(value).replace("${", "$${").replace("%{", "%%{")
