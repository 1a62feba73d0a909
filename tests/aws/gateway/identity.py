"""Whose key is it: the account and the principal behind an access key id."""
import re
import time
from dataclasses import dataclass

from ministack.core.iam_evaluator import AmbiguousAccessKeyError, find_iam_access_key_account, resolve_credential
from ministack.services import sts

from . import guard

HOME_ACCOUNT = "111111111111"  # of a dummy key that names no account, such as `test`


@dataclass(frozen=True)
class Caller:
    account: str
    principal: str
    problem: str = ""  # why its credentials are no good: "unknown" or "expired"


def caller(access_key):
    """A 12-digit key is that account's root, a session key its role session, any other key an IAM user's."""
    if not access_key or guard.is_dummy(access_key):
        account = access_key if re.fullmatch(r"\d{12}", access_key) else HOME_ACCOUNT
        return Caller(account, f"arn:aws:iam::{account}:root")
    session = sts._sessions.get(access_key)
    if session:
        expired = time.time() > (session.get("Expiration") or float("inf"))
        return Caller(session["Arn"].split(":")[4], session["Arn"], "expired" if expired else "")
    try:
        account = find_iam_access_key_account(access_key)
    except AmbiguousAccessKeyError:
        account = None
    principal = getattr(resolve_credential(access_key, account), "principal_arn", None) if account else None
    if not principal:
        return Caller(account or HOME_ACCOUNT, "unknown", "unknown")
    return Caller(account, principal)


def refusal(problem, service):
    """The code and message with which AWS refuses such credentials; ministack refuses for its own services."""
    if problem == "expired":
        code = "RequestExpired" if service == "ec2" else "ExpiredTokenException"
        return code, "The security token included in the request is expired"
    return ("AuthFailure" if service == "ec2" else "UnrecognizedClientException"), "The security token included in the request is invalid."
