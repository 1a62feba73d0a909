"""Executed functions: what they see, and where their failures go."""
import base64
import io
import json
import sys
import zipfile
from pathlib import Path

from support import TestCase, allow

# A custom runtime in a few lines: it speaks the Runtime API as a Rust bootstrap does.
BOOTSTRAP = '''#!INTERPRETER
import json, os, sys, urllib.error, urllib.request
api = os.environ["AWS_LAMBDA_RUNTIME_API"]
while True:
    with urllib.request.urlopen(f"http://{api}/2018-06-01/runtime/invocation/next") as call:
        event, request = json.load(call), call.headers["Lambda-Runtime-Aws-Request-Id"]
    print("handling", json.dumps(event)[:200], file=sys.stderr, flush=True)
    detail = event.get("detail", event)
    if detail.get("fail"):
        path, answer = "error", {"errorMessage": "no luck", "errorType": "Unlucky"}
    elif detail.get("call"):
        target, body = detail["call"]
        key = os.environ["AWS_ACCESS_KEY_ID"]
        service = target[0]
        signed = f"AWS4-HMAC-SHA256 Credential={key}/20260101/{os.environ['AWS_REGION']}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        headers = {"Authorization": signed, "X-Amz-Security-Token": os.environ["AWS_SESSION_TOKEN"]}
        headers |= {"X-Amz-Target": target[1], "Content-Type": "application/x-amz-json-1.1"} if len(target) > 1 else {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            with urllib.request.urlopen(urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], body.encode(), headers)) as made:
                path, answer = "response", {"status": made.status, "body": made.read().decode()}
        except urllib.error.HTTPError as refused:
            path, answer = "response", {"status": refused.code, "body": refused.read().decode()}
    else:
        path, answer = "response", {"event": event, "environment": dict(os.environ), "arn": call.headers["Lambda-Runtime-Invoked-Function-Arn"],
                                    "deadline": call.headers["Lambda-Runtime-Deadline-Ms"], "process": os.getpid()}
    urllib.request.urlopen(urllib.request.Request(f"http://{api}/2018-06-01/runtime/invocation/{request}/{path}", json.dumps(answer).encode()))
'''


def package():
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        info = zipfile.ZipInfo("bootstrap")
        info.external_attr = 0o755 << 16
        archive.writestr(info, BOOTSTRAP.replace("INTERPRETER", sys.executable))
    return raw.getvalue()


class Functions(TestCase):
    def setUp(self):
        super().setUp()
        self.functions = self.client("lambda")

    def deploy(self, name, *actions, **named):
        role = self.role(f"{name}-unattended", allow("ec2:DescribeVpcs", "sns:Publish", *actions))
        made = self.functions.create_function(
            FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Role=role, Code={"ZipFile": package()}, Timeout=20, **named)
        self.addCleanup(self.functions.delete_function, FunctionName=name)
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        return made["FunctionArn"]

    def invoke(self, name, event, **named):
        answer = self.functions.invoke(FunctionName=name, Payload=json.dumps(event), **named)
        return answer, json.load(answer["Payload"])

    def queue(self, name):
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def received(self, url):
        answer = self.eventually(lambda: self.client("sqs").receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages"))
        return answer[0]

    def handled(self, name):
        """How often the function ran, by its log."""
        logs = self.client("logs")
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return 0
        return sum("handling" in event["message"] for event in found)


class Executed(Functions):
    def test_sees_what_lambda_gives_it_and_nothing_of_the_machine(self):
        arn = self.deploy("ssh-access", Environment={"Variables": {"BACKSTOP_LANE": "unattended"}}, MemorySize=256)
        answer, seen = self.invoke("ssh-access", {"a": 1})
        environment = seen["environment"]
        self.assertNotIn("FunctionError", answer)
        self.assertEqual(({"a": 1}, arn), (seen["event"], seen["arn"]))
        self.assertEqual(("unattended", self.aws.endpoint, "us-east-1", "ssh-access", "256"), tuple(environment[k] for k in (
            "BACKSTOP_LANE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE")))
        self.assertTrue(environment["AWS_ACCESS_KEY_ID"].startswith("ASIA"))
        self.assertTrue(environment["AWS_SESSION_TOKEN"])
        allowed = ("AWS_", "LAMBDA_", "BACKSTOP_", "_", "MOTO_", "MINISTACK_", "LC_", "LD_", "RUST_")
        known = {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LOG_LEVEL", "GATEWAY_PORT", "BIND_HOST", "AUTH", "IOT_MTLS_ENABLED", "SFTP_ENABLED",
                 "S3_DATA_DIR", "PERSIST_STATE"}
        self.assertEqual([], [k for k in environment if not k.startswith(allowed) and k not in known])

    def test_calls_both_emulators_as_its_role_and_no_more_than_its_role_allows(self):
        self.deploy("imds")
        principal = f"arn:aws:sts::{self.account}:assumed-role/imds-unattended/imds"
        _, moto = self.invoke("imds", {"call": [["ec2"], "Action=DescribeVpcs&Version=2016-11-15"]})
        self.assertEqual((200, True), (moto["status"], f"<ownerId>{self.account}" in moto["body"]))
        _, denied = self.invoke("imds", {"call": [["dynamodb", "DynamoDB_20120810.ListTables"], "{}"]})
        self.assertIn("AccessDenied", denied["body"])
        made = [c for c in self.aws.calls(self.account) if c["principal"] == principal]
        self.assertEqual([("DescribeVpcs", None), ("ListTables", "AccessDeniedException")], [(c["operation"], c["error"]) for c in made])

    def test_errors_and_the_tail_of_the_log(self):
        self.deploy("golden-ami")
        answer, body = self.invoke("golden-ami", {"fail": True}, LogType="Tail")
        self.assertEqual(("Unhandled", "no luck"), (answer["FunctionError"], body["errorMessage"]))
        self.assertIn("handling", base64.b64decode(answer["LogResult"]).decode())


class Asynchronous(Functions):
    def test_a_failed_event_is_tried_three_times_and_goes_to_the_dead_letter_queue(self):
        url, queue = self.queue("dlq")
        self.deploy("ssh-access", "sqs:SendMessage", DeadLetterConfig={"TargetArn": queue})
        answer = self.functions.invoke(FunctionName="ssh-access", InvocationType="Event", Payload=json.dumps({"fail": True, "n": 1}))
        self.assertEqual(202, answer["StatusCode"])
        message = self.received(url)
        self.assertEqual({"fail": True, "n": 1}, json.loads(message["Body"]))
        self.assertEqual("no luck", message["MessageAttributes"]["ErrorMessage"]["StringValue"])
        self.assertEqual({"RequestID", "ErrorCode", "ErrorMessage"}, message["MessageAttributes"].keys())
        self.assertEqual(3, self.handled("ssh-access"))

    def test_a_role_that_may_not_send_loses_the_event(self):
        url, queue = self.queue("dlq")
        self.deploy("ssh-access", DeadLetterConfig={"TargetArn": queue})
        self.functions.invoke(FunctionName="ssh-access", InvocationType="Event", Payload=json.dumps({"fail": True}))
        role = f"arn:aws:iam::{self.account}:role/ssh-access-unattended"
        lost = f"{role} may not call sqs:SendMessage on {queue}: the event is lost"
        self.eventually(lambda: lost in Path(self.aws.log.name).read_text())
        self.assertNotIn("Messages", self.client("sqs").receive_message(QueueUrl=url))

    def test_an_on_failure_destination_gets_the_record_of_the_invocation(self):
        url, queue = self.queue("failures")
        arn = self.deploy("ssh-access", "sqs:SendMessage")
        self.functions.put_function_event_invoke_config(
            FunctionName="ssh-access", MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": queue}})
        self.functions.invoke(FunctionName="ssh-access", InvocationType="Event", Payload=json.dumps({"fail": True}))
        record = json.loads(self.received(url)["Body"])
        self.assertEqual({"fail": True}, record["requestPayload"])
        self.assertEqual(("RetriesExhausted", 2, f"{arn}:$LATEST"), tuple(record["requestContext"][k] for k in (
            "condition", "approximateInvokeCount", "functionArn")))
        self.assertEqual("no luck", record["responsePayload"]["errorMessage"])

    def rule(self, arn, pattern):
        events = self.client("events")
        events.put_rule(Name="r", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn}])
        self.functions.add_permission(FunctionName=arn, StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com")
        return events

    def put(self, events, **detail):
        entry = {"Source": "aws.ec2", "DetailType": "AWS API Call via CloudTrail", "Detail": json.dumps(detail)}
        self.assertEqual(0, events.put_events(Entries=[entry])["FailedEntryCount"])

    def test_a_rule_on_cloudtrail_invokes_and_a_failure_is_tried_again_and_dead_lettered(self):
        url, queue = self.queue("dlq")
        arn = self.deploy("ssh-access", "sqs:SendMessage", DeadLetterConfig={"TargetArn": queue})
        events = self.rule(arn, {"source": ["aws.ec2"], "detail": {"eventName": ["AuthorizeSecurityGroupIngress"]}})
        self.put(events, eventName="DescribeVpcs")
        self.put(events, eventName="AuthorizeSecurityGroupIngress", fail=True)
        event = json.loads(self.received(url)["Body"])
        self.assertEqual(("aws.ec2", self.account, "us-east-1", "AuthorizeSecurityGroupIngress"),
                         (event["source"], event["account"], event["region"], event["detail"]["eventName"]))
        self.assertEqual(3, self.handled("ssh-access"))
