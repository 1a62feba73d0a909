"""What a stack makes is what its template says; what is dropped on the way is told."""
import io
import json
import zipfile

import support
from support import TestCase, allow
from test_lambda import package


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def trust(service):
    return policy({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


def arn(logical_id):
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def role(*statements, service="lambda.amazonaws.com", **properties):
    return {"Type": "AWS::IAM::Role", "Properties": {
        "AssumeRolePolicyDocument": trust(service), "Policies": [{"PolicyName": "own", "PolicyDocument": policy(*statements)}], **properties}}


class Stacks(TestCase):
    region = "us-east-1"

    def stack(self, resources, name="s", region="us-east-1"):
        """Creates a stack and waits for it; its status, and the reason of the first failure."""
        stacks = self.client("cloudformation", region=region)
        stacks.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}), Capabilities=["CAPABILITY_NAMED_IAM"])
        ended = lambda: next((s for s in stacks.describe_stacks(StackName=name)["Stacks"] if not s["StackStatus"].endswith("IN_PROGRESS")), None)
        status = self.eventually(ended)["StackStatus"]
        failed = [e.get("ResourceStatusReason", "") for e in stacks.describe_stack_events(StackName=name)["StackEvents"]
                  if e["ResourceStatus"] == "CREATE_FAILED"]
        return status, failed[-1] if failed else ""

    def made(self, resources, **named):
        self.assertEqual(("CREATE_COMPLETE", ""), self.stack(resources, **named))

    def package(self, key="code.zip"):
        s3 = self.client("s3")
        bucket = f"assets-{self.account}"
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key=key, Body=package())
        return {"S3Bucket": bucket, "S3Key": key}

    def function(self, code, **properties):
        return {"Type": "AWS::Lambda::Function", "Properties": {
            "FunctionName": "f", "Runtime": "provided.al2023", "Handler": "bootstrap", "Architectures": ["arm64"], "Timeout": 20,
            "Role": arn("Role"), "Code": code, **properties}}

    def dropped(self):
        return [(d["type"], d["property"]) for d in self.aws.control("GET", f"dropped?account={self.account}")[1]["dropped"]]


class Resources(Stacks):
    def test_a_function_of_another_account_leaves_its_namesake_running(self):
        def process():
            answer = self.client("lambda").invoke(FunctionName="f", Payload=json.dumps({}))
            return json.load(answer["Payload"])["process"]
        here = self.account
        self.made({"Role": role(allow("ec2:DescribeVpcs")), "Function": self.function(self.package())})
        first = process()
        self.account = str(next(support._accounts))
        self.made({"Role": role(allow("ec2:DescribeVpcs")), "Function": self.function(self.package())})
        self.account = here
        self.assertEqual(first, process())

    def test_a_function_has_its_dead_letters_its_concurrency_and_its_log_group(self):
        self.made({
            "Role": role(allow("sqs:SendMessage", "ec2:DescribeVpcs")),
            "Letters": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "f-dlq"}},
            "Secure": {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [{"Ref": "Letters"}], "PolicyDocument": policy({
                "Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sqs:*", "Resource": arn("Letters"),
                "Condition": {"Bool": {"aws:SecureTransport": "false"}}})}},
            "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/backstop/f", "RetentionInDays": 400}},
            "Function": self.function(self.package(), DeadLetterConfig={"TargetArn": arn("Letters")}, ReservedConcurrentExecutions=3,
                                      LoggingConfig={"LogGroup": {"Ref": "Log"}, "LogFormat": "JSON"}),
            "Asynchronous": {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": {
                "FunctionName": {"Ref": "Function"}, "Qualifier": "$LATEST", "MaximumRetryAttempts": 1}}})
        functions = self.client("lambda")
        shown = functions.get_function(FunctionName="f")
        queue = f"arn:aws:sqs:us-east-1:{self.account}:f-dlq"
        self.assertEqual((queue, 3), (shown["Configuration"]["DeadLetterConfig"]["TargetArn"], shown["Concurrency"]["ReservedConcurrentExecutions"]))
        functions.invoke(FunctionName="f", InvocationType="Event", Payload=json.dumps({"fail": True}))
        sqs = self.client("sqs")
        url = sqs.get_queue_url(QueueName="f-dlq")["QueueUrl"]
        letter = self.eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))[0]
        self.assertEqual({"fail": True}, json.loads(letter["Body"]))
        logs = self.client("logs")
        group = logs.describe_log_groups(logGroupNamePrefix="/backstop/f")["logGroups"][0]
        ran = [e for e in logs.filter_log_events(logGroupName="/backstop/f")["events"] if "handling" in e["message"]]
        self.assertEqual((400, 2), (group["retentionInDays"], len(ran)), "once, and one retry")

    def test_a_function_without_code_fails_the_stack(self):
        status, reason = self.stack({"Role": role(allow("ec2:DescribeVpcs")), "Function": self.function({"S3Bucket": "none", "S3Key": "none.zip"})})
        self.assertEqual("ROLLBACK_COMPLETE", status)
        self.assertIn("there is no code for f", reason)

    def test_a_role_is_bound_by_its_boundary(self):
        self.made({
            "Boundary": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {
                "ManagedPolicyName": "boundary", "PolicyDocument": policy(allow("dynamodb:ListTables"))}},
            "Role": role(allow("dynamodb:ListTables", "sns:ListTopics"), PermissionsBoundary={"Ref": "Boundary"}),
            "Function": self.function(self.package())})
        functions = self.client("lambda")
        call = lambda *target, body="{}": json.load(functions.invoke(
            FunctionName="f", Payload=json.dumps({"call": [target, body]}))["Payload"])
        self.assertEqual(200, call("dynamodb", "DynamoDB_20120810.ListTables")["status"])
        self.assertIn("AuthorizationError", call("sns", body="Action=ListTopics&Version=2010-03-31")["body"])

    TABLE = {
        "TableName": "t", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "day")],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [{"IndexName": "by-day", "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
                                    "Projection": {"ProjectionType": "ALL"}}],
        "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True}}
    PROTECTED = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}, "DeletionProtectionEnabled": True}

    def keeps(self, kind, **properties):
        self.made({"Table": {"Type": kind, "Properties": {**self.TABLE, **properties}}})
        tables = self.client("dynamodb")
        self.assertEqual({"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"},
                         tables.describe_time_to_live(TableName="t")["TimeToLiveDescription"])
        backups = tables.describe_continuous_backups(TableName="t")["ContinuousBackupsDescription"]
        self.assertEqual("ENABLED", backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"])
        shown = tables.describe_table(TableName="t")["Table"]
        self.assertIs(True, shown["DeletionProtectionEnabled"])
        tables.put_item(TableName="t", Item={"pk": {"S": "a"}, "day": {"S": "monday"}})
        found = tables.query(TableName="t", IndexName="by-day", KeyConditionExpression="#d = :d",
                             ExpressionAttributeNames={"#d": "day"}, ExpressionAttributeValues={":d": {"S": "monday"}})
        self.assertEqual(1, found["Count"])
        self.refused("ValidationException", tables.delete_table, TableName="t")
        return shown

    def test_a_table_expires_items_and_can_be_restored(self):
        shown = self.keeps("AWS::DynamoDB::Table", **self.PROTECTED, SSESpecification={"SSEEnabled": True, "SSEType": "KMS"})
        self.assertEqual("ENABLED", shown["SSEDescription"]["Status"])

    def test_so_does_a_global_one(self):
        shown = self.keeps("AWS::DynamoDB::GlobalTable", SSESpecification={"SSEEnabled": False},
                           Replicas=[{"Region": "us-east-1", **self.PROTECTED}])
        self.assertNotIn("SSEDescription", shown)
        self.assertEqual([], self.dropped())

    def test_a_topic_is_encrypted(self):
        self.made({
            "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": policy(
                {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{self.account}:root"}, "Action": "kms:*", "Resource": "*"})}},
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "t", "KmsMasterKeyId": arn("Key")}}})
        topic = f"arn:aws:sns:us-east-1:{self.account}:t"
        self.assertIn(":key/", self.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]["KmsMasterKeyId"])

    def test_a_document_is_there_for_systems_manager(self):
        content = {"schemaVersion": "0.3", "mainSteps": [{"name": "wait", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}}]}
        self.made({"Document": {"Type": "AWS::SSM::Document", "Properties": {
            "Name": "backstop-wait", "DocumentType": "Automation", "DocumentFormat": "JSON", "Content": content, "UpdateMethod": "NewVersion"}}})
        ssm = self.client("ssm")
        document = ssm.get_document(Name="backstop-wait")
        self.assertEqual(("Automation", content), (document["DocumentType"], json.loads(document["Content"])))
        self.client("cloudformation").delete_stack(StackName="s")
        self.eventually(lambda: not ssm.list_documents(Filters=[{"Key": "Name", "Values": ["backstop-wait"]}])["DocumentIdentifiers"])

    def test_an_alarm_on_an_expression_over_one_metric_is_one_on_that_metric(self):
        metric = lambda name: {"Id": name.lower(), "ReturnData": False, "MetricStat": {
            "Metric": {"Namespace": "N", "MetricName": name, "Dimensions": [{"Name": "D", "Value": "v"}]}, "Period": 300, "Stat": "Sum"}}
        alarm = lambda *metrics: {"Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": {
            "AlarmName": "a", "ComparisonOperator": "LessThanThreshold", "Threshold": 1, "EvaluationPeriods": 3,
            "Metrics": [{"Id": "filled", "Expression": "FILL(beats, 0)"}, *metrics]}}}
        self.made(alarm(metric("Beats")))
        [made] = self.client("cloudwatch").describe_alarms(AlarmNames=["a"])["MetricAlarms"]
        self.assertEqual(("N", "Beats", "Sum", 300, 3), tuple(made[k] for k in ("Namespace", "MetricName", "Statistic", "Period", "EvaluationPeriods")))
        self.assertIn("over 2 metrics", self.stack(alarm(metric("Beats"), metric("Others")), name="two")[1])

    def test_a_query_is_there_for_insights(self):
        query = lambda name, **more: {"Type": "AWS::Logs::QueryDefinition", "Properties": {
            "Name": name, "QueryString": "fields @message", **more}}
        self.made({"One": query("Backstop/one", LogGroupNames=["trail"]), "Two": query("other")})
        found = self.client("logs").describe_query_definitions(queryDefinitionNamePrefix="Backstop/")["queryDefinitions"]
        found[0].pop("queryDefinitionId")
        self.assertEqual([{"name": "Backstop/one", "queryString": "fields @message", "logGroupNames": ["trail"]}], found)
        self.client("cloudformation").delete_stack(StackName="s")
        self.eventually(lambda: not self.client("logs").describe_query_definitions()["queryDefinitions"])

    def test_a_rule_whose_pattern_or_target_aws_refuses_fails_the_stack(self):
        rule = lambda **properties: {"Rule": {"Type": "AWS::Events::Rule", "Properties": {"Name": "r", **properties}}}
        status, reason = self.stack(rule(EventPattern={"source": "aws.ec2"}))
        self.assertEqual("ROLLBACK_COMPLETE", status)
        self.assertIn("pattern of r", reason)
        bus = f"arn:aws:events:eu-west-1:{self.account}:event-bus/default"
        _, reason = self.stack(rule(EventPattern={"source": ["aws.ec2"]}, Targets=[{"Id": "home", "Arn": bus}]), name="other")
        self.assertIn("RoleArn is required", reason)

    def test_what_is_dropped_is_told(self):
        self.made({"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}},
                   "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "g", "DataProtectionPolicy": {"Name": "p"}}}})
        self.assertEqual([("AWS::Logs::LogGroup", "DataProtectionPolicy")], self.dropped())
        self.assertEqual(400, self.aws.control("GET", "dropped")[0])
