"""The gateway: routing, accounts, the call record, faults, the control endpoints."""
import json
import urllib.request

from botocore.exceptions import ClientError
from support import TestCase, allow


class Accounts(TestCase):
    def test_a_twelve_digit_key_is_the_account_in_both_emulators(self):
        self.assertEqual(f"arn:aws:iam::{self.account}:root", self.client("sts").get_caller_identity()["Arn"])
        group = self.client("ec2").create_security_group(GroupName="g", Description="g")["GroupId"]
        shown = self.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        self.assertEqual(self.account, shown["OwnerId"])
        self.refused("InvalidGroup.NotFound", self.client("ec2", account="222299999999").describe_security_groups, GroupIds=[group])

    def test_a_key_that_names_no_account_is_the_home_account(self):
        self.assertEqual("111111111111", self.client("sts", account="test").get_caller_identity()["Account"])
        self.assertEqual("111111111111", self.client("sts", account="dummy").get_caller_identity()["Account"])

    def assumed(self, *actions, session="i-20260101"):
        """Credentials of a session of the member role, assumed from the test's account, in another one."""
        member = str(int(self.account) + 100_000)
        arn = self.role("backstop", allow(*actions), trust=self.account, account=member)
        return member, self.client("sts").assume_role(RoleArn=arn, RoleSessionName=session)["Credentials"]

    def test_a_session_reaches_moto_in_the_account_of_its_role(self):
        member, credentials = self.assumed("ec2:*")
        group = self.client("ec2", credentials=credentials).create_security_group(GroupName="m", Description="m")["GroupId"]
        shown = self.client("ec2", account=member).describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        self.assertEqual(member, shown["OwnerId"])
        [call] = [c for c in self.aws.calls(member, service="ec2") if c["operation"] == "CreateSecurityGroup"]
        self.assertEqual(f"arn:aws:sts::{member}:assumed-role/backstop/i-20260101", call["principal"])

    def test_the_policies_of_a_role_bind_it_where_ministack_answers(self):
        _, credentials = self.assumed("dynamodb:ListTables")
        dynamodb = self.client("dynamodb", credentials=credentials)
        self.assertEqual([], dynamodb.list_tables()["TableNames"])
        with self.assertRaises(ClientError) as caught:
            dynamodb.scan(TableName="t")
        self.assertIn("AccessDenied", caught.exception.response["Error"]["Code"])

    def test_a_trust_policy_is_enforced(self):
        arn = self.role("closed", trust="222288888888", account="222277777777")
        self.refused("AccessDenied", self.client("sts").assume_role, RoleArn=arn, RoleSessionName="session")

    def test_unknown_session_keys_are_refused_by_both_emulators(self):
        stranger = {"AccessKeyId": "ASIA0000000000000000", "SecretAccessKey": "x", "SessionToken": "y"}
        self.refused("AuthFailure", self.client("ec2", credentials=stranger).describe_vpcs)
        self.refused("UnrecognizedClientException", self.client("ssm", credentials=stranger).describe_ops_items)
        self.refused("UnrecognizedClientException", self.client("dynamodb", credentials=stranger).list_tables)


class Record(TestCase):
    def test_names_the_call_whatever_its_protocol(self):
        self.client("ec2", region="eu-west-1").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])
        self.client("sns").create_topic(Name="t")
        self.client("dynamodb").list_tables(Limit=3)
        self.client("lambda").list_functions()
        self.refused("ResourceNotFoundException", self.client("lambda").get_function, FunctionName="nobody")
        self.client("cloudwatch").put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 1}])
        calls = self.aws.calls(self.account)
        self.assertEqual([("ec2", "DescribeVpcs"), ("sns", "CreateTopic"), ("dynamodb", "ListTables"), ("lambda", "ListFunctions"),
                          ("lambda", "GetFunction"), ("cloudwatch", "PutMetricData")], [(c["service"], c["operation"]) for c in calls])
        self.assertEqual({"Filter.1.Name": "is-default", "Filter.1.Value.1": "true"}, calls[0]["params"])
        self.assertEqual(({"Name": "t"}, {"Limit": 3}, {"FunctionName": "nobody"}), tuple(calls[n]["params"] for n in (1, 2, 4)))
        self.assertEqual((404, "ResourceNotFoundException"), (calls[4]["status"], calls[4]["error"]))
        first = calls[0]
        self.assertEqual((self.account, "eu-west-1", f"arn:aws:iam::{self.account}:root", self.account, 200, None),
                         tuple(first[k] for k in ("account", "region", "principal", "access_key", "status", "error")))
        self.assertIn("Boto3", first["user_agent"])
        self.assertRegex(first["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_reads_the_error_code_of_ec2(self):
        self.refused("InvalidGroup.NotFound", self.client("ec2").describe_security_groups, GroupIds=["sg-0123456789abcdef0"])
        [call] = self.aws.calls(self.account)
        self.assertEqual((400, "InvalidGroup.NotFound"), (call["status"], call["error"]))

    def test_drops_secrets(self):
        self.client("secretsmanager").create_secret(Name="n", SecretString="hush")
        self.client("ssm").put_parameter(Name="/p", Value="hush", Type="SecureString")
        self.client("ec2").run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1, UserData="aHVzaA==")
        kept = json.dumps(self.aws.calls(self.account))
        self.assertNotIn("hush", kept)
        self.assertNotIn("aHVzaA==", kept)

    def test_since_and_service_narrow_and_stats_count(self):
        before = self.aws.control("GET", "stats")[1]["calls"]
        self.client("sns").list_topics()
        last = self.aws.control("GET", "calls")[1]["last"]
        self.client("sns").list_topics()
        self.client("sqs").list_queues()
        self.assertEqual(["ListTopics"], [c["operation"] for c in self.aws.calls(self.account, since=last, service="sns")])
        self.assertEqual(before + 3, self.aws.control("GET", "stats")[1]["calls"])


class Faults(TestCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.aws.control, "DELETE", "faults")

    def fault(self, service, operation, code, status=400, times=1):
        answer = self.aws.control("POST", "faults", {"account": self.account, "service": service, "operation": operation, "times": times,
                                                     "status": status, "code": code, "message": "on purpose"})
        self.assertEqual(200, answer[0])

    def test_speak_the_protocol_of_the_call(self):
        calls = {
            ("ec2", "DescribeVpcs", "RequestLimitExceeded", 503): lambda: self.client("ec2").describe_vpcs(),
            ("sns", "ListTopics", "Throttling", 400): lambda: self.client("sns").list_topics(),
            ("dynamodb", "ListTables", "ProvisionedThroughputExceededException", 400): lambda: self.client("dynamodb").list_tables(),
            ("ssm", "DescribeOpsItems", "InternalServerError", 500): lambda: self.client("ssm").describe_ops_items(),
            ("lambda", "ListFunctions", "TooManyRequestsException", 429): lambda: self.client("lambda").list_functions(),
            ("s3", "ListBuckets", "SlowDown", 503): lambda: self.client("s3").list_buckets(),
            ("cloudwatch", "ListMetrics", "InternalServiceFault", 500): lambda: self.client("cloudwatch").list_metrics(),
        }
        for (service, operation, code, status), call in calls.items():
            with self.subTest(service):
                self.fault(service, operation, code, status)
                answer = self.refused(code, call)
                self.assertEqual((status, "on purpose"), (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]))
                call()

    def test_last_for_as_many_calls_as_asked_and_are_recorded(self):
        self.fault("ec2", "CreateSecurityGroup", "UnauthorizedOperation", 403, times=2)
        create = self.client("ec2").create_security_group
        for _ in range(2):
            self.refused("UnauthorizedOperation", create, GroupName="g", Description="d")
        self.assertEqual(["UnauthorizedOperation"] * 2, [c["error"] for c in self.aws.calls(self.account)])
        create(GroupName="g", Description="d")

    def test_are_listed_cleared_and_checked(self):
        self.fault("ec2", "DescribeVpcs", "Unavailable", times=9)
        self.assertEqual([9], [f["times"] for f in self.aws.control("GET", "faults")[1]["faults"]])
        self.aws.control("DELETE", "faults")
        self.client("ec2").describe_vpcs()
        self.assertEqual(400, self.aws.control("POST", "faults", {"cod": "typo"})[0])


class Missing(TestCase):
    def test_an_operation_that_no_emulator_has_is_501_with_its_name(self):
        for service, call in {"ec2 DescribeVerifiedAccessGroups": lambda: self.client("ec2").describe_verified_access_groups(),
                              "ssm DescribePatchProperties": lambda: self.client("ssm").describe_patch_properties(OperatingSystem="WINDOWS", Property="PRODUCT")}.items():
            with self.subTest(service):
                answer = self.refused("NotImplemented", call)
                self.assertEqual(501, answer["ResponseMetadata"]["HTTPStatusCode"])
                self.assertIn(service, answer["Error"]["Message"])

    def test_unknown_control_endpoint(self):
        self.assertEqual(404, self.aws.control("GET", "nothing")[0])


class Setup(TestCase):
    def test_makes_journal_and_topics_once_and_leaves_no_trace(self):
        for _ in range(2):
            status, made = self.aws.control("POST", "setup", {"account": self.account, "region": "eu-west-1"})
        topics = {n: f"arn:aws:sns:eu-west-1:{self.account}:backstop-{n}" for n in ("page", "ticket", "info")}
        self.assertEqual((200, {"table": "backstop-journal", "topics": topics}), (status, made))
        self.assertEqual([], self.aws.calls(self.account))
        table = self.client("dynamodb", region="eu-west-1").describe_table(TableName="backstop-journal")["Table"]
        self.assertEqual({"by-day": ["day", "at"], "unfinished": ["unfinished", "at"]},
                         {i["IndexName"]: [k["AttributeName"] for k in i["KeySchema"]] for i in table["GlobalSecondaryIndexes"]})
        self.assertEqual(["ALL", "ALL"], [i["Projection"]["ProjectionType"] for i in table["GlobalSecondaryIndexes"]])
        self.assertEqual(("ACTIVE", "PAY_PER_REQUEST"), (table["TableStatus"], table["BillingModeSummary"]["BillingMode"]))
        found = {t["TopicArn"] for t in self.client("sns", region="eu-west-1").list_topics()["Topics"]}
        self.assertEqual(set(topics.values()), found)


class Unsigned(TestCase):
    def test_health_is_not_a_call(self):
        before = self.aws.control("GET", "stats")[1]
        with urllib.request.urlopen(f"{self.aws.endpoint}/_ministack/health") as answer:
            self.assertEqual(200, answer.status)
        self.assertEqual(before, self.aws.control("GET", "stats")[1])
