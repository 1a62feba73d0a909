"""AWS's wire protocols, as far as a gateway needs them: which call is this, and how is an error spelled."""
import functools
import gzip
import json
import re
import uuid
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

from botocore.loaders import Loader

CREDENTIAL = re.compile(r"Credential=([^/]+)/\d{8}/([^/]*)/([^/]+)/aws4_request")
RPC_V2 = re.compile(r"/service/[^/]+/operation/(\w+)$")
IAM_PREFIX = {"monitoring": "cloudwatch"}  # the record speaks IAM, where the signing name differs
BOTOCORE_NAME = {"states": "stepfunctions", "execute-api": "apigateway", "tagging": "resourcegroupstaggingapi"}

SECRET = re.compile(r"(?i)(secret(string|binary|accesskey)|password|passphrase|privatekey|sessiontoken|identitytoken"
                    r"|samlassertion|plaintext|userdata|zipfile)$")
LONGEST = 64_000  # a notice fits whole: tests read it


@dataclass
class Request:
    method: str
    path: str
    query: str
    headers: dict
    body: bytes

    @property
    def target(self):
        return self.headers.get("x-amz-target", "")


@dataclass
class Call:
    """One AWS API call, whatever protocol it came in."""
    service: str
    operation: str
    region: str
    access_key: str
    params: dict = field(default_factory=dict)


def identify(request):
    """The call in a request, or None when it is not an AWS call."""
    credential = CREDENTIAL.search(request.headers.get("authorization", ""))
    if not credential and "X-Amz-Credential" in request.query:
        credential = CREDENTIAL.search("Credential=" + unquote(dict(parse_qsl(request.query))["X-Amz-Credential"]))
    form = _form(request)
    if credential:
        key, region, service = credential.groups()
    elif str(form.get("Action", "")).startswith("AssumeRoleWith"):
        key, region, service = "", "us-east-1", "sts"  # the only unsigned calls that a function makes
    else:
        return None
    operation, params = _operation(service, request, form)
    return Call(IAM_PREFIX.get(service, service), operation, region, key, clean(params))


def _form(request):
    if "x-www-form-urlencoded" in request.headers.get("content-type", ""):
        return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    if "Action=" in request.query:
        return dict(parse_qsl(request.query, keep_blank_values=True))
    return {}


def _operation(service, request, form):
    if request.target:
        return request.target.rsplit(".", 1)[-1], _json(request)
    if "Action" in form:
        return form["Action"], {k: v for k, v in form.items() if k not in ("Action", "Version")}
    rpc = RPC_V2.search(request.path)
    if rpc:
        return rpc.group(1), {}
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    for method, pattern, names, required, operation in _routes(service):
        match = pattern.fullmatch(request.path) if method == request.method and required <= query.keys() else None
        if match:
            uri = {name: unquote(value) for name, value in zip(names, match.groups())}
            return operation, {**uri, **{k: v for k, v in query.items() if k not in required}, **_json(request)}
    return f"{request.method} {request.path}", {}


def _json(request):
    body = request.body
    try:
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        value = json.loads(body)
    except (ValueError, OSError):
        return {}
    return value if isinstance(value, dict) else {}


@functools.cache
def _routes(service):
    """REST routes of a service, the most particular first: (method, path pattern, names in it, query keys, operation)."""
    try:
        model = Loader().load_service_model(BOTOCORE_NAME.get(service, service), "service-2")
    except Exception:  # unknown to botocore: the record falls back to "METHOD /path"
        return []
    found = []
    for operation, shape in model["operations"].items():
        path, _, query = shape["http"]["requestUri"].partition("?")
        names = re.findall(r"{([^}+]+)\+?}", path)
        pattern = "".join(
            part if not part.startswith("{") else ("(.+)" if part.endswith("+}") else "([^/]+)")
            for part in (p if p.startswith("{") else re.escape(p) for p in re.split(r"({[^}]+})", path)))
        required = {pair.split("=")[0] for pair in query.split("&") if pair}
        literal = len(re.sub(r"{[^}]+}", "", path))
        found.append(((len(required), literal), (shape["http"]["method"], re.compile(pattern + "/?"), names, required, operation)))
    return [route for _, route in sorted(found, key=lambda f: f[0], reverse=True)]


def clean(value, key=""):
    """Parameters without what must never be kept: secrets are dropped, long strings cut."""
    if isinstance(value, dict):
        secure = value.get("Type") == "SecureString"
        return {k: clean(v, k) for k, v in value.items() if not SECRET.search(k) and not (secure and k == "Value")}
    if isinstance(value, list):
        return [clean(v, key) for v in value]
    if isinstance(value, str) and len(value) > LONGEST:
        return value[:LONGEST] + "…"
    return value


def error_code(status, headers, body):
    """The AWS error code of a response, or None when it is a success."""
    if status < 400:
        return None
    code = headers.get("x-amzn-errortype", "")
    if not code:
        text = body.decode("utf-8", "replace")
        xml = re.search(r"<Code>([^<]+)</Code>", text)
        try:
            parsed = {} if xml else json.loads(text)
        except ValueError:
            parsed = {}
        code = xml.group(1) if xml else str(parsed.get("__type") or parsed.get("code") or parsed.get("Code") or status)
    return code.split(":")[0].rsplit("#", 1)[-1]


def error(request, service, status, code, message):
    """An error response in the protocol that the request speaks: (status, headers, body)."""
    request_id = str(uuid.uuid4())
    headers = {"x-amzn-requestid": request_id}
    content_type = request.headers.get("content-type", "")
    if RPC_V2.search(request.path):
        headers |= {"content-type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        return status, headers, _cbor({"__type": code, "message": message})
    if request.target:
        headers["content-type"] = content_type or "application/x-amz-json-1.1"
        return status, headers, json.dumps({"__type": code, "message": message}).encode()
    fields = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if service == "ec2":
        xml = f"<Response><Errors><Error>{fields}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    elif service == "s3":
        xml = f"<Error>{fields}<RequestId>{request_id}</RequestId></Error>"
    elif _form(request):
        xml = f"<ErrorResponse><Error><Type>Sender</Type>{fields}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    else:
        headers |= {"content-type": "application/json", "x-amzn-errortype": code}
        return status, headers, json.dumps({"message": message}).encode()
    headers["content-type"] = "text/xml"
    return status, headers, ('<?xml version="1.0" encoding="UTF-8"?>' + xml).encode()


def _cbor(fields):
    """A map of text to text, which is all that an error needs."""
    def text(value):
        raw = value.encode()
        size = bytes([0x60 + len(raw)]) if len(raw) < 24 else b"\x79" + len(raw).to_bytes(2, "big")
        return size + raw
    return bytes([0xA0 + len(fields)]) + b"".join(text(k) + text(v) for k, v in fields.items())
