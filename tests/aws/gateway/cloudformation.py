"""What ministack's CloudFormation drops or does not know, and the stacks of a deployment hold."""
import json
import threading
from collections import defaultdict

from ministack.core.responses import get_account_id, get_region
from ministack.services import dynamodb, eventbridge, iam, lambda_svc, scheduler, sns
from ministack.services.cloudformation import provisioners, stacks

from . import queries, wire

HANDLERS = provisioners._RESOURCE_HANDLERS
_then = {}


def then(kind):
    """What is left to do when ministack has made a resource: a function of its physical id and its properties."""
    def keep(step):
        _then[kind] = step
        return step
    return keep


class Properties(dict):
    """The properties of a resource, and which of them nobody has read."""

    def __init__(self, properties):
        super().__init__(properties)
        self.unread = set(properties)

    def __iter__(self):  # makes a copy ask for each property, instead of taking them unseen
        return super().__iter__()

    def get(self, name, default=None):
        self.unread.discard(name)
        return super().get(name, default)

    def __getitem__(self, name):
        self.unread.discard(name)
        return super().__getitem__(name)


class Dropped:
    """Properties that a template gave and nobody read, by account: a deployment here is unlike one on AWS in these."""

    def __init__(self):
        self._found, self._lock = defaultdict(set), threading.Lock()

    def add(self, kind, names):
        with self._lock:
            self._found[get_account_id()] |= {(kind, name) for name in names}

    def of(self, account):
        with self._lock:
            return [{"type": kind, "property": name} for kind, name in sorted(self._found[account])]


def install(dropped, moto):
    HANDLERS["AWS::Logs::QueryDefinition"] = {"create": queries.create, "delete": queries.delete}
    HANDLERS["AWS::SSM::Document"] = Documents(moto).handler()
    worker = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda kind: kind == "AWS::SSM::Document" or worker(kind)
    HANDLERS["AWS::Scheduler::Schedule"]["create"] = create_schedule
    HANDLERS["AWS::CloudWatch::Alarm"]["create"] = on_one_metric(HANDLERS["AWS::CloudWatch::Alarm"]["create"])
    for kind, handler in HANDLERS.items():
        HANDLERS[kind] = {**handler, "create": created_whole(kind, handler["create"], dropped)}


def created_whole(kind, create, dropped):
    def whole(logical_id, properties, stack):
        properties = Properties(properties)
        physical_id, attributes = create(logical_id, properties, stack)
        if kind in _then:
            _then[kind](physical_id, properties)
        dropped.add(kind, properties.unread)
        return physical_id, attributes
    return whole


def accepted(answer):
    """The body of an answer of one of ministack's services; what it refuses fails the stack."""
    status, _, body = answer
    if status >= 300:
        raise ValueError(body.decode() if isinstance(body, bytes) else body)
    return body


@then("AWS::Lambda::Function")
def _(name, properties):
    function = lambda_svc._functions[name]
    if not function["code_zip"] and not function["config"].get("ImageUri"):
        raise ValueError(f"there is no code for {name} at {json.dumps(properties['Code'])}")
    for given, kept in (("DeadLetterConfig", "DeadLetterConfig"), ("KmsKeyArn", "KMSKeyArn")):
        if properties.get(given):
            function["config"][kept] = properties[given]
    if properties.get("ReservedConcurrentExecutions") is not None:
        function["concurrency"] = int(properties["ReservedConcurrentExecutions"])


@then("AWS::IAM::Role")
def _(name, properties):
    boundary = properties.get("PermissionsBoundary")
    if boundary:
        refused = iam._boundary_policy_error(boundary)
        if refused:
            accepted(refused)
        iam._roles[name]["PermissionsBoundary"] = boundary


@then("AWS::DynamoDB::Table")
def table_then(name, properties):
    if properties.get("TimeToLiveSpecification"):
        accepted(dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": properties["TimeToLiveSpecification"]}))
    if properties.get("PointInTimeRecoverySpecification"):
        accepted(dynamodb._update_continuous_backups(
            {"TableName": name, "PointInTimeRecoverySpecification": properties["PointInTimeRecoverySpecification"]}))
    encryption = properties.get("SSESpecification")
    if encryption and encryption["SSEEnabled"]:
        dynamodb._tables[name]["SSEDescription"] = dynamodb._sse_description_from_spec(
            {"Enabled": encryption["SSEEnabled"], **{k: v for k, v in encryption.items() if k != "SSEEnabled"}})


@then("AWS::DynamoDB::GlobalTable")
def _(name, properties):
    """Its replica in this Region holds what a table has of its own; the others are as this one."""
    here = next(r for r in properties["Replicas"] if r["Region"] == get_region())
    dynamodb._tables[name]["DeletionProtectionEnabled"] = here.get("DeletionProtectionEnabled", False)
    given = {"PointInTimeRecoverySpecification": here.get("PointInTimeRecoverySpecification")}
    table_then(name, {**given, **{k: properties.get(k) for k in ("TimeToLiveSpecification", "SSESpecification")}})


@then("AWS::SNS::Topic")
def _(arn, properties):
    if properties.get("KmsMasterKeyId"):
        sns._topics[arn]["attributes"]["KmsMasterKeyId"] = properties["KmsMasterKeyId"]


@then("AWS::Events::Rule")
def _(name, properties):
    pattern = properties.get("EventPattern")
    wrong = eventbridge._event_pattern_error(pattern if isinstance(pattern, str) else json.dumps(pattern)) if pattern else None
    if wrong:
        raise ValueError(f"the event pattern of {name}: {wrong}")
    for refused in filter(None, map(eventbridge._validate_target_arn, properties.get("Targets") or [])):
        accepted(refused)


def create_schedule(logical_id, properties, stack):
    """ministack's own drops the time zone, the dates and the key, and takes a refusal for a success."""
    name = properties.get("Name") or provisioners._physical_name(stack, logical_id, max_len=64)
    accepted(scheduler._create_schedule(name, {key: properties[key] for key in list(properties)}))
    return name, {"Arn": scheduler._schedule_arn(properties.get("GroupName", "default"), name)}


def on_one_metric(create):
    """ministack refuses metric math: an alarm on an expression over one metric becomes one on that metric."""
    def created(logical_id, properties, stack):
        if "Metrics" in properties:
            metrics = [metric["MetricStat"] for metric in properties["Metrics"] if "MetricStat" in metric]
            if len(metrics) != 1:
                raise ValueError(f"an alarm on an expression over {len(metrics)} metrics is not known here")
            stat = metrics[0]
            properties = {**{key: properties[key] for key in list(properties) if key != "Metrics"}, **stat["Metric"],
                          "Period": stat["Period"], "Statistic": stat["Stat"]}
        return create(logical_id, properties, stack)
    return created


class Documents:
    """SSM documents: moto keeps them."""

    def __init__(self, moto):
        self.moto = moto

    def handler(self):
        return {"create": self.create, "delete": self.delete}

    def create(self, logical_id, properties, stack):
        name = properties.get("Name") or provisioners._physical_name(stack, logical_id, max_len=128)
        content = properties["Content"]
        properties.get("UpdateMethod")  # says what an update does; nothing is updated here
        self._call("CreateDocument", {
            "Name": name, "Content": content if isinstance(content, str) else json.dumps(content),
            "DocumentType": properties.get("DocumentType", "Command"), "DocumentFormat": properties.get("DocumentFormat", "JSON"),
            "TargetType": properties.get("TargetType", "/"), "Tags": properties.get("Tags") or []})
        return name, {}

    def delete(self, physical_id, _properties):
        self._call("DeleteDocument", {"Name": physical_id})

    def _call(self, operation, body):
        account, region = get_account_id(), get_region()
        credential = f"AWS4-HMAC-SHA256 Credential={account}/20200101/{region}/ssm/aws4_request, SignedHeaders=host, Signature=0"
        headers = {"host": f"ssm.{region}.amazonaws.com", "authorization": credential,
                   "content-type": "application/x-amz-json-1.1", "x-amz-target": f"AmazonSSM.{operation}"}
        accepted(self.moto.forward(wire.Request("POST", "/", "", headers, json.dumps(body).encode()), account))
