"""One endpoint, two emulators: who calls, which emulator answers, and what is kept of it."""
import asyncio
import json
import logging
from urllib.parse import parse_qs

import ministack.app as ministack

from . import cloudformation, patches, queries, schedules, wire
from .faults import Faults
from .identity import caller, refusal
from .record import Record
from .setup import prepare

log = logging.getLogger("backstop.gateway")

MOTO_SERVICES = {"ec2", "ecr", "inspector2", "eks", "imagebuilder", "securityhub", "config", "ram"}
SSM_TAGGING = {"AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource"}
READS = ("Get", "List", "Simulate", "Generate")


def answered_by_moto(call):
    if call.service == "ssm":
        parameter = call.params.get("ResourceType") == "Parameter" if call.operation in SSM_TAGGING else "Parameter" in call.operation
        return not parameter
    return call.service in MOTO_SERVICES or (call.service, call.operation) == ("cloudtrail", "LookupEvents")


class Gateway:
    def __init__(self, moto):
        self.moto = moto
        self.record = Record()
        self.faults = Faults()
        self.emulator = ministack.app
        self.dropped = cloudformation.Dropped()
        patches.apply()
        cloudformation.install(self.dropped, moto)

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.emulator(scope, receive, send)
        request = await read(scope, receive)
        if request.path.startswith("/_backstop/"):
            return await respond(send, *await self.control(request))
        call = wire.identify(request)
        if call is None:
            return await self.emulator(scope, replay(request, receive), send)
        await self.answer(call, request, scope, receive, send)

    async def answer(self, call, request, scope, receive, send):
        who = caller(call.access_key)
        account, time, outcome = who.account, Record.now(), {"status": 0, "error": "NoAnswer"}  # stands when the client goes away meanwhile
        try:
            fault = self.faults.take(account=account, service=call.service, operation=call.operation)
            if fault:
                answer = wire.error(request, call.service, int(fault["status"]), fault["code"], fault["message"])
            elif answered_by_moto(call) and who.problem:
                answer = wire.error(request, call.service, 403, *refusal(who.problem, call.service))
            elif answered_by_moto(call):
                answer = await self.ask_moto(call, request, account)
            elif (call.service, call.operation) == ("logs", "DescribeQueryDefinitions"):
                prefix = call.params.get("queryDefinitionNamePrefix", "")
                answer = json_answer(200, queries.describe(account, call.region, prefix))
            else:
                answer = None
            if answer:
                outcome = {"status": answer[0], "error": wire.error_code(*answer)}
                await respond(send, *answer)
            else:
                outcome = await self.ask_ministack(call, request, account, scope, receive, send)
        finally:
            self.record.add(
                time=time, service=call.service, operation=call.operation, account=account, region=call.region,
                principal=who.principal, access_key=call.access_key, params=call.params,
                **outcome, user_agent=request.headers.get("user-agent", ""))

    async def ask_moto(self, call, request, account):
        status, headers, body = await asyncio.to_thread(self.moto.forward, request, account)
        kind = headers.get("content-type", "")
        framework = "html" in kind or "text/plain" in kind  # a page of the web framework or a word of moto_ext, not an answer of AWS
        if framework and status in (404, 405, 501):
            reason = body.decode("utf-8", "replace") if status == 501 else "no such route"
            message = f"{call.service} {call.operation} is not implemented by the local AWS: {reason}"
            return wire.error(request, call.service, 501, "NotImplemented", message)
        if framework and status == 500:
            message = f"moto failed at {call.service} {call.operation}: {body.decode('utf-8', 'replace')[:300]}"
            return wire.error(request, call.service, 500, "InternalFailure", message)
        return status, headers, body

    async def ask_ministack(self, call, request, account, scope, receive, send):
        """Passes the answer on as it comes, so that streams stay streams, and reads the error code on the way."""
        seen = {"status": 0, "headers": {}, "body": b""}

        async def watch(message):
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                seen["headers"] = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in message["headers"]}
            elif message["type"] == "http.response.body" and seen["status"] >= 400:
                seen["body"] += message.get("body", b"")
            if call.service == "iam" and message["type"] == "http.response.start" and seen["status"] < 300:
                await self.mirror(call, request, account)  # before the answer, so that the next call finds it
            await send(message)

        await self.emulator(scope, replay(request, receive), watch)
        return {"status": seen["status"], "error": wire.error_code(seen["status"], seen["headers"], seen["body"])}

    async def mirror(self, call, request, account):
        """IAM writes are copied to moto, where EC2 resolves instance profiles."""
        if call.operation.startswith(READS):
            return
        status, _, body = await asyncio.to_thread(self.moto.forward, request, account)
        if status >= 300:
            log.warning("moto refused the copy of iam %s (%s): %s", call.operation, status, body[:300])

    async def control(self, request):
        """The `/_backstop/*` endpoints."""
        query = {k: v[0] for k, v in parse_qs(request.query).items()}
        route = request.method, request.path.removeprefix("/_backstop/")
        try:
            body = json.loads(request.body or b"{}")
            if not isinstance(body, dict):
                raise ValueError("the body must be a JSON object")
            match route:
                case "GET", "calls":
                    result = self.record.calls(int(query.get("since", 0)), account=query.get("account"), service=query.get("service"))
                case "GET", "stats":
                    result = self.record.stats()
                case "GET", "faults":
                    result = {"faults": self.faults.left()}
                case "POST", "faults":
                    result = self.faults.add(body)
                case "DELETE", "faults":
                    self.faults.clear()
                    result = {"faults": []}
                case "GET", "dropped":
                    result = {"dropped": self.dropped.of(query["account"])}
                case "POST", "fire":
                    result = schedules.fire(body["account"], body["region"], body["schedule"])
                case "POST", "reset":
                    result = await self.reset()
                case "POST", "setup":
                    result = await self.setup(body.get("account", "111111111111"), body.get("region", "us-east-1"))
                case _:
                    return json_answer(404, {"error": f"no such endpoint: {request.method} {request.path}"})
        except KeyError as missing:
            return json_answer(400, {"error": f"{missing} is required"})
        except ValueError as error:
            return json_answer(400, {"error": str(error)})
        return json_answer(200, result)

    async def reset(self):
        async def body():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def ignore(_):
            pass

        path = "/_ministack/reset"
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": []}
        await asyncio.gather(self.emulator(scope, body, ignore), asyncio.to_thread(self.moto.reset))
        queries.clear()
        self.faults.clear()
        self.record.clear()
        return {"reset": True}

    async def setup(self, account, region):
        return await prepare(self.emulator, account, region)


async def read(scope, receive):
    chunks = []  # joined once: a deployment package comes in a thousand of them
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    return wire.Request(scope["method"], path, scope.get("query_string", b"").decode("latin-1"), headers, b"".join(chunks))


def replay(request, receive):
    """The ASGI `receive` that gives a body, already read, once more."""
    given = False

    async def again():
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": request.body, "more_body": False}

    return again


def json_answer(status, value):
    return status, {"content-type": "application/json"}, json.dumps(value).encode()


async def respond(send, status, headers, body):
    headers = {**headers, "content-length": str(len(body))}
    await send({"type": "http.response.start", "status": status,
                "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]})
    await send({"type": "http.response.body", "body": body})
