"""What a deployed account holds: the journal table and the three topics."""
import json

TABLE = "backstop-journal"
TOPICS = ("page", "ticket", "info")


def _index(name, hash_key, range_key):
    return {"IndexName": name, "KeySchema": _keys(hash_key, range_key), "Projection": {"ProjectionType": "ALL"}}


def _keys(hash_key, range_key):
    return [{"AttributeName": hash_key, "KeyType": "HASH"}, {"AttributeName": range_key, "KeyType": "RANGE"}]


JOURNAL = {
    "TableName": TABLE,
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "day", "at", "unfinished")],
    "KeySchema": _keys("pk", "sk"),
    "GlobalSecondaryIndexes": [_index("by-day", "day", "at"), _index("unfinished", "unfinished", "at")],
}


async def prepare(emulator, account, region):
    """Idempotent; straight to the emulator, so that a set-up leaves no trace in the call record."""
    status, answer = await _call(emulator, account, region, "dynamodb", "DynamoDB_20120810.CreateTable", json.dumps(JOURNAL).encode())
    if status >= 300 and b"ResourceInUseException" not in answer:
        raise ValueError(f"the journal table was refused: {answer.decode()}")
    for name in TOPICS:
        form = f"Action=CreateTopic&Version=2010-03-31&Name=backstop-{name}".encode()
        status, answer = await _call(emulator, account, region, "sns", None, form)
        if status >= 300:
            raise ValueError(f"the topic backstop-{name} was refused: {answer.decode()}")
    return {"table": TABLE, "topics": {name: f"arn:aws:sns:{region}:{account}:backstop-{name}" for name in TOPICS}}


async def _call(emulator, account, region, service, target, body):
    credential = f"AWS4-HMAC-SHA256 Credential={account}/20200101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    headers = {"host": "localhost", "authorization": credential,
               "content-type": "application/x-amz-json-1.0" if target else "application/x-www-form-urlencoded"}
    if target:
        headers["x-amz-target"] = target
    scope = {"type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"",
             "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}
    answer = {"status": 0, "body": b""}

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        answer["status"] = message.get("status", answer["status"])
        answer["body"] += message.get("body", b"")

    await emulator(scope, receive, send)
    return answer["status"], answer["body"]
