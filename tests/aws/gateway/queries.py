"""Query definitions of Logs Insights: neither emulator keeps them."""
import threading
from collections import defaultdict

from ministack.core.responses import get_account_id, get_region, new_uuid

_kept, _lock = defaultdict(dict), threading.Lock()


def create(_logical_id, properties, _stack):
    name, text, groups = properties["Name"], properties["QueryString"], properties.get("LogGroupNames")
    identifier = new_uuid()
    shown = {"queryDefinitionId": identifier, "name": name, "queryString": text, **({"logGroupNames": groups} if groups else {})}
    with _lock:
        _kept[get_account_id(), get_region()][identifier] = shown
    return identifier, {"QueryDefinitionId": identifier}


def delete(identifier, _properties):
    with _lock:
        _kept[get_account_id(), get_region()].pop(identifier, None)


def describe(account, region, prefix=""):
    with _lock:
        found = [q for q in _kept[account, region].values() if q["name"].startswith(prefix)]
    return {"queryDefinitions": sorted(found, key=lambda q: q["name"])}


def clear():
    with _lock:
        _kept.clear()
