"""The call record: every AWS call that reached the gateway, in the order in which it was answered."""
import threading
from collections import deque
from datetime import datetime, timezone


class Record:
    SIZE = 200_000

    def __init__(self):
        self._calls = deque(maxlen=self.SIZE)
        self._lock = threading.Lock()
        self._last = 0

    @staticmethod
    def now():
        return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def add(self, **call):
        with self._lock:
            self._last += 1
            self._calls.append({"seq": self._last, **call})

    def calls(self, since=0, **wanted):
        """Calls after `since` whose fields equal those wanted; a field that is None is not looked at."""
        wanted = {k: v for k, v in wanted.items() if v is not None}
        with self._lock:
            last, newer = self._last, []
            for call in reversed(self._calls):  # from the end: a poll reads only what is new
                if call["seq"] <= since:
                    break
                newer.append(call)
        return {"calls": [c for c in reversed(newer) if all(c[k] == v for k, v in wanted.items())], "last": last}

    def stats(self):
        return {"calls": self._last}

    def clear(self):
        """Forgets the calls; sequence numbers go on."""
        with self._lock:
            self._calls.clear()
