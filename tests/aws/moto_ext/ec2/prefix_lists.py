"""Managed prefix lists: versions, limits, unknown ids, and the lists that AWS manages."""
import hashlib

from moto.ec2.models.managed_prefixes import ManagedPrefixListBackend
from moto.ec2.responses.vpcs import VPCs

from ..core import op
from . import sharing
from .common import backend, check_id, error, filters, page, tags_match

# https://docs.aws.amazon.com/vpc/latest/userguide/working-with-aws-managed-prefix-lists.html: name, how many rules a
# rule that names it counts as, entries. The entries are documentation ranges, because AWS's own change; only those of
# VPC Lattice are AWS's.
MANAGED = [
    ("com.amazonaws.global.cloudfront.origin-facing", 55, [f"198.51.100.{n}/32" for n in range(16)]),
    ("com.amazonaws.global.ipv6.cloudfront.origin-facing", 55, ["2001:db8:cf::/48"]),
    ("com.amazonaws.{region}.dynamodb", 1, ["203.0.113.0/28"]),
    ("com.amazonaws.{region}.ec2-instance-connect", 2, ["192.0.2.0/29", "192.0.2.8/29"]),
    ("com.amazonaws.{region}.ipv6.ec2-instance-connect", 2, ["2001:db8:ec2::/56", "2001:db8:ec2:100::/56"]),
    ("com.amazonaws.global.groundstation", 5, ["203.0.113.16/28"]),
    ("com.amazonaws.{region}.route53-healthchecks", 25, [f"203.0.113.{n}/32" for n in range(32, 48)]),
    ("com.amazonaws.{region}.ipv6.route53-healthchecks", 25, ["2001:db8:53::/48"]),
    ("com.amazonaws.{region}.s3", 1, ["203.0.113.64/26"]),
    ("com.amazonaws.{region}.s3express", 6, ["203.0.113.128/26"]),
    ("com.amazonaws.{region}.vpc-lattice", 10, ["169.254.171.0/24"]),
    ("com.amazonaws.{region}.ipv6.vpc-lattice", 10, ["fd00:ec2:80::/64"]),
]


def _create_managed(self):
    """In the place of moto's, which has fewer, and makes up an id for each account."""
    for template, weight, cidrs in MANAGED:
        name = template.format(region=self.region_name)
        made = self.create_managed_prefix_list(
            address_family="IPv6" if ":" in cidrs[0] else "IPv4", entry=[{"Cidr": cidr} for cidr in cidrs],
            prefix_list_name=name, owner_id="AWS")
        del self.managed_prefix_lists[made.id]
        made.id = "pl-" + hashlib.sha256(f"{self.region_name} {name}".encode()).hexdigest()[:17]
        made.prefix_list_arn = made.arn(self.region_name, "aws")
        made.entries = {None: made.entries[1]}  # the list has no version
        made.version, made.max_entries, made.weight = None, None, weight
        self.managed_prefix_lists[made.id] = made


ManagedPrefixListBackend.create_default_pls = _create_managed


def find(backend, list_id):
    """A list that the account owns, that AWS manages, or that another account shares with it."""
    found = backend.managed_prefix_lists.get(list_id)
    found = found or next((each for each in sharing.prefix_lists(backend) if each.id == list_id), None)
    return None if found and found.state == "delete-complete" else found


def weight(backend, list_id):
    """How many rules a rule counts as that names this list."""
    found = find(backend, list_id)
    return getattr(found, "weight", None) or int(getattr(found, "max_entries", None) or 1)


def _list(p, r):
    wanted = check_id(p["PrefixListId"], "InvalidPrefixListId")
    found = find(backend(r), wanted)
    if not found:
        raise error("InvalidPrefixListID.NotFound", f"The prefix list ID '{wanted}' does not exist")
    return found


def _own(p, r):
    """A list that the caller may change."""
    found = _list(p, r)
    if found.owner_id != backend(r).account_id:
        raise error("UnauthorizedOperation", f"You are not authorized to perform this operation on the prefix list {found.id}")
    return found


def _entries(found, version=None):
    return list(found.entries.get(version if version is not None else found.version) or [])


@op("ec2", "GetManagedPrefixListEntries")
def _(p, s, r):
    shown, more = page(_entries(_list(p, r), p.get("TargetVersion")), p, smallest=1, largest=100)
    return {"Entries": shown, **more}


def _check_name(p):
    if str(p.get("PrefixListName", "")).startswith("com.amazonaws"):
        raise error("InvalidParameterValue", "The name of a prefix list cannot start with com.amazonaws")


def _create(self, _original=vars(VPCs)["create_managed_prefix_list"]):
    _check_name(self.params)
    return _original(self)


VPCs.create_managed_prefix_list = _create


@op("ec2", "ModifyManagedPrefixList")
def _(p, s, r):
    found = _own(p, r)
    _check_name(p)
    changes = p.get("AddEntries") or p.get("RemoveEntries")
    if changes and p.get("CurrentVersion") != found.version:
        raise error("PrefixListVersionMismatch", f"The prefix list has the incorrect version number; it is at {found.version}")
    if changes:
        removed = {e["Cidr"] for e in p.get("RemoveEntries", [])}
        present = {e["Cidr"]: e for e in _entries(found)}
        if removed - present.keys():
            raise error("InvalidParameterValue", f"The prefix list has no entries {sorted(removed - present.keys())}")
        kept = {k: v for k, v in present.items() if k not in removed} | {e["Cidr"]: e for e in p.get("AddEntries", [])}
        if len(kept) > int(p.get("MaxEntries") or found.max_entries):
            raise error("PrefixListMaxEntriesExceeded", f"The prefix list has at most {found.max_entries} entries")
        found.version += 1
        found.entries[found.version] = list(kept.values())
    found.max_entries = p.get("MaxEntries") or found.max_entries
    found.prefix_list_name = p.get("PrefixListName") or found.prefix_list_name
    found.state = "modify-complete"
    return {"PrefixList": found}


@op("ec2", "DeleteManagedPrefixList")
def _(p, s, r):
    _own(p, r)
    return {"PrefixList": backend(r).delete_managed_prefix_list(p["PrefixListId"])}


@op("ec2", "DescribeManagedPrefixLists")
def _(p, s, r):
    wanted = filters(p, {"owner-id", "prefix-list-id", "prefix-list-name"})
    for list_id in p.get("PrefixListIds", []):
        _list({"PrefixListId": list_id}, r)
    every = [*backend(r).managed_prefix_lists.values(), *(sharing.Shared(each) for each in sharing.prefix_lists(backend(r)))]
    chosen = [each for each in every
              if each.state != "delete-complete" and each.id in p.get("PrefixListIds", [each.id])
              and each.owner_id in wanted.get("owner-id", [each.owner_id])
              and each.id in wanted.get("prefix-list-id", [each.id])
              and each.prefix_list_name in wanted.get("prefix-list-name", [each.prefix_list_name])
              and tags_match(each, wanted)]
    shown, more = page(chosen, p, smallest=1, largest=100)
    return {"PrefixLists": shown, **more}
