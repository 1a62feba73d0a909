"""One local AWS for all suites; a fresh account for each test."""
import atexit
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

SERVE = Path(__file__).parents[1] / "serve.py"
GATEWAY_PYTHON = Path(sys.prefix).parent / "gateway" / "bin" / "python"
_accounts = itertools.count(222200000000)


class LocalAws:
    def __init__(self, *arguments, **environment):
        self.log = tempfile.NamedTemporaryFile(prefix="backstop-aws-test-", suffix=".log")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "BACKSTOP_LOCAL", "LAMBDA_"))}
        self.process = subprocess.Popen(
            [str(GATEWAY_PYTHON), str(SERVE), "--port", "0", "--log", self.log.name, "--until-stdin-closes", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**clean, **environment}, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("serve.py did not start:\n" + Path(self.log.name).read_text())
        self.ready = json.loads(line)
        self.endpoint = self.ready["endpoint"]

    def client(self, service, account="111111111111", region="us-east-1", credentials=None):
        keys = credentials or {"AccessKeyId": account, "SecretAccessKey": "any"}
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=region, aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}))

    def control(self, method, path, body=None):
        """(status, answer) of a /_backstop/ endpoint."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}/_backstop/{path}", data, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def calls(self, account, **query):
        extra = "".join(f"&{k}={v}" for k, v in query.items())
        return self.control("GET", f"calls?account={account}{extra}")[1]["calls"]

    def close(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
        self.log.close()


_shared = None


def shared():
    global _shared
    if _shared is None:
        _shared = LocalAws(LAMBDA_ASYNC_RETRY_BASE_SECONDS="0.05")
        atexit.register(_shared.close)
    return _shared


class TestCase(unittest.TestCase):
    """A test against the shared local AWS, in an account of its own."""
    maxDiff = None

    def setUp(self):
        self.aws = shared()
        self.account = str(next(_accounts))

    def client(self, service, **named):
        return self.aws.client(service, **{"account": self.account, **named})

    def refused(self, code, call, *arguments, **named):
        """Asserts that AWS refuses the call with this code; returns the whole answer."""
        with self.assertRaises(ClientError) as caught:
            call(*arguments, **named)
        self.assertEqual(code, caught.exception.response["Error"]["Code"], caught.exception)
        return caught.exception.response

    def share(self, owner, arn, account=None):
        """Shares a resource of an owner with an account, this test's own if none is named."""
        self.client("ram", account=owner).create_resource_share(name="s", resourceArns=[arn], principals=[account or self.account])

    def eventually(self, probe, seconds=15):
        """Polls until the probe answers something; the answer."""
        deadline = time.monotonic() + seconds
        while True:
            found = probe()
            if found:
                return found
            self.assertLess(time.monotonic(), deadline, f"nothing after {seconds} s")
            time.sleep(0.05)

    def role(self, name, *statements, trust="lambda.amazonaws.com", account=None):
        """A role with one inline policy; its ARN."""
        iam = self.client("iam", account=account or self.account)
        principal = {"AWS": trust} if trust.isdigit() or trust.startswith("arn:") else {"Service": trust}
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]}))
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": list(statements)}))
        return made["Role"]["Arn"]


def allow(*actions):
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
