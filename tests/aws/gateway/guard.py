"""The guard: nothing here may run where a mistake could reach a real account."""
import ipaddress
import re
from urllib.parse import urlsplit

DUMMY = re.compile(r"\d{12}|test|dummy|backstop[\w-]*")


def is_dummy(access_key):
    """A key that no AWS account could have issued: 12 digits, `test`, `dummy`, or `backstop…`."""
    return bool(DUMMY.fullmatch(access_key))


def is_loopback(url):
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refusal(environment):
    """Why this environment is not safe, or None."""
    key = environment.get("AWS_ACCESS_KEY_ID", "")
    if key and not is_dummy(key):
        return f"AWS_ACCESS_KEY_ID is not a dummy ({key[:4]}…): use 12 digits, or unset it"
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"):
        value = environment.get(name, "")
        if value and not key and not is_dummy(value):
            return f"{name} is set without a dummy AWS_ACCESS_KEY_ID: unset it"
    for name, value in environment.items():
        if name.startswith("AWS_ENDPOINT_URL") and value and not is_loopback(value):
            return f"{name} is not on loopback ({urlsplit(value).hostname}): unset it"
    return None
