"""Managed prefix lists: versions, limits and unknown ids."""
from ..core import op
from .common import backend, check_id, error, page, paged


def _list(p, r):
    wanted = check_id(p["PrefixListId"], "InvalidPrefixListId")
    found = backend(r).managed_prefix_lists.get(wanted)
    if not found or found.state == "delete-complete":
        raise error("InvalidPrefixListID.NotFound", f"The prefix list ID '{wanted}' does not exist")
    return found


def _entries(found, version=None):
    return list(found.entries.get(version if version is not None else found.version) or [])


@op("ec2", "GetManagedPrefixListEntries")
def _(p, s, r):
    shown, more = page(_entries(_list(p, r), p.get("TargetVersion")), p, smallest=1, largest=100)
    return {"Entries": shown, **more}


@op("ec2", "ModifyManagedPrefixList")
def _(p, s, r):
    found = _list(p, r)
    if found.owner_id == "AWS":
        raise error("UnauthorizedOperation", f"You are not authorized to modify the prefix list {found.id}")
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
    _list(p, r)
    return {"PrefixList": backend(r).delete_managed_prefix_list(p["PrefixListId"])}


paged("DescribeManagedPrefixLists", "PrefixLists", ids="PrefixListIds", smallest=1, largest=100)
