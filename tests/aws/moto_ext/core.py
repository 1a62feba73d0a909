"""How an operation is added to moto, or replaced in it.

    @op("ssm", "CreateOpsItem")
    def _(p, s, r): ...                    p: parsed parameters   s: store of this account and Region   r: moto's response
    raise error("ssm", "OpsItemNotFoundException", "…")

Request parsing, routing and serialisation come from the botocore model through moto itself, so that an operation is
`dict in → dict out` whatever the wire protocol. Stores are isolated per account and Region; a reset of moto empties them.
"""
import base64
import importlib
import os
import traceback
from datetime import datetime, timezone

import boto3
from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import camelcase_to_underscores
from werkzeug.exceptions import HTTPException

REGIONS = boto3.Session().get_available_regions("ec2")
PAGE = int(os.environ.get("BACKSTOP_LOCAL_PAGE") or 0)  # caps every page, so that tests read page two
_stores = {}
_classes = {}


def now():
    return datetime.now(timezone.utc)


def error(service, code, message, **members):
    """An error of a service: `members` are its further fields, as in the service's model."""
    kind = type(code, (ServiceException,), {"code": code, "__module__": f"moto.{service}.exceptions"})
    raised = kind(message)
    for name, value in members.items():
        setattr(raised, name, value)
    return raised


class Store(BaseBackend):
    """What the extension remembers for one account and Region: named tables, made when first used."""

    def __init__(self, region_name, account_id):
        super().__init__(region_name, account_id)
        self.tables = {}

    def __getitem__(self, name):
        return self.tables.setdefault(name, {})


def store(service, account, region):
    if service not in _stores:
        _stores[service] = BackendDict(Store, service, False, REGIONS)
    return _stores[service][account][region if region in REGIONS else "us-east-1"]


def response_class(service):
    """moto's own response class of a service."""
    if service not in _classes:
        urls = importlib.import_module(f"moto.{service}.urls")
        _classes[service] = next(h.__self__ for h in urls.url_paths.values() if hasattr(h, "__self__"))
    return _classes[service]


def place(service, operation):
    """(the class that holds moto's method for an operation, or would; the method's name)"""
    kind, name = response_class(service), camelcase_to_underscores(operation)
    return next((k for k in kind.__mro__ if name in vars(k)), kind), name


def op(service, *operations):
    """Registers a function as these operations, in the place where moto has them or would look for them."""
    def register(function):
        for operation in operations:
            owner, name = place(service, operation)
            setattr(owner, name, _method(service, function))
        return function
    return register


def _method(service, function):
    def method(self):
        self.parse_parameters(self.normalized_request)
        return ActionResult(function(self.params, store(service, self.current_account, self.region), self) or {})
    return method


def page(items, p, default=1000):
    """(this page, {"NextToken": …} if there is another). A token that was never given is a ValueError."""
    size = int(p.get("MaxResults") or default)
    size = min(size, PAGE) if PAGE else size
    start = int(base64.urlsafe_b64decode(p["NextToken"])) if p.get("NextToken") else 0
    more = start + size < len(items)
    return items[start:start + size], {"NextToken": base64.urlsafe_b64encode(b"%d" % (start + size)).decode()} if more else {}


def _call_action(self, _original=BaseResponse.call_action):
    """A missing operation is a 501, which no SDK retries; neither it nor a failure is a page of the web framework."""
    try:
        return _original(self)
    except HTTPException:
        raise
    except NotImplementedError as missing:
        return 501, {"content-type": "text/plain"}, str(missing)
    except Exception as failure:
        traceback.print_exc()
        return 500, {"content-type": "text/plain"}, f"{type(failure).__name__}: {failure}"


BaseResponse.call_action = _call_action
