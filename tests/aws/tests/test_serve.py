"""The process: how it starts, what it refuses, and that nothing of it stays behind."""
import os
import signal
import subprocess
import time
import unittest
from pathlib import Path

from support import GATEWAY_PYTHON, SERVE, LocalAws


def children(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def listening(pid):
    """Local addresses, as the kernel spells them, on which a process listens."""
    sockets = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                found.append(fields[1].split(":")[0])
    return found


class Process(unittest.TestCase):
    def gone(self, *pids):
        deadline = time.monotonic() + 5
        while any(alive(pid) for pid in pids):
            self.assertLess(time.monotonic(), deadline, f"still alive: {[p for p in pids if alive(p)]}")
            time.sleep(0.02)

    def start(self, *arguments, **environment):
        aws = LocalAws(*arguments, **environment)
        self.addCleanup(aws.close)
        return aws, [aws.process.pid, *children(aws.process.pid)]

    def test_listens_on_loopback_only_and_ends_with_its_stdin(self):
        aws, pids = self.start()
        self.assertEqual((2, aws.ready["pid"]), (len(pids), pids[0]))
        self.assertEqual([["0100007F"], ["0100007F"]], [listening(pid) for pid in pids])
        aws.close()
        self.gone(*pids)
        self.assertEqual(0, aws.process.returncode)

    def test_ends_on_a_signal_and_takes_its_child_along_even_when_killed(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            aws, pids = self.start()
            aws.process.send_signal(number)
            aws.process.wait(5)
            self.gone(*pids)

    def test_setup_and_small_pages(self):
        aws, _ = self.start("--setup", BACKSTOP_LOCAL_PAGE="2", AWS_ACCESS_KEY_ID="123456789012", AWS_REGION="eu-west-1")
        self.assertEqual(["backstop-journal"], aws.client("dynamodb").list_tables()["TableNames"])
        ec2 = aws.client("ec2")
        group = ec2.create_security_group(GroupName="g", Description="g")["GroupId"]
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": f"10.{n}.0.0/16"} for n in range(4)]}])
        wanted = [{"Name": "group-id", "Values": [group]}]
        page = ec2.describe_security_group_rules(Filters=wanted, MaxResults=1000)
        self.assertEqual((2, True), (len(page["SecurityGroupRules"]), "NextToken" in page))
        pages = ec2.get_paginator("describe_security_group_rules").paginate(Filters=wanted)
        self.assertEqual([2, 2, 1], [len(p["SecurityGroupRules"]) for p in pages])

    def test_reset_empties_both_emulators_the_record_and_the_faults(self):
        aws, _ = self.start("--setup")
        aws.client("ec2").create_security_group(GroupName="g", Description="g")
        last = aws.control("GET", "calls")[1]["last"]
        aws.control("POST", "faults", {"code": "Throttling"})
        self.assertEqual(200, aws.control("POST", "reset")[0])
        self.assertEqual({"calls": [], "last": last}, aws.control("GET", "calls")[1])
        self.assertEqual([], aws.client("dynamodb").list_tables()["TableNames"])
        self.assertEqual(["default"], [g["GroupName"] for g in aws.client("ec2").describe_security_groups()["SecurityGroups"]])

    def test_refuses_what_could_reach_a_real_account(self):
        for environment in ({"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}, {"AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"},
                            {"AWS_ENDPOINT_URL": "https://ec2.us-east-1.amazonaws.com"}, {"AWS_ENDPOINT_URL_S3": "http://10.0.0.1"}):
            with self.subTest(**environment):
                clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
                done = subprocess.run([str(GATEWAY_PYTHON), str(SERVE), "--port", "0"], env={**clean, **environment},
                                      capture_output=True, text=True, timeout=20)
                self.assertEqual((1, ""), (done.returncode, done.stdout))
                self.assertIn(next(iter(environment)), done.stderr)
                self.assertNotIn("wJalrXUtnFEMI", done.stderr)
