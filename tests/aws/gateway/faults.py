"""Faults: the next N matching calls fail with a given AWS error, and never reach an emulator."""
import threading

MATCH = ("account", "service", "operation")


class Faults:
    def __init__(self):
        self._faults = []
        self._lock = threading.Lock()

    def add(self, fault):
        unknown = fault.keys() - {*MATCH, "times", "status", "code", "message"}
        if unknown or not fault.get("code"):
            raise ValueError(f"a fault needs a code; unknown keys: {sorted(unknown)}")
        fault = {"times": 1, "status": 400, "message": "injected by the local AWS", **fault}
        if not 400 <= int(fault["status"]) <= 599 or int(fault["times"]) < 1:
            raise ValueError("status must be 400 to 599, times at least 1")
        with self._lock:
            self._faults.append(fault)
        return fault

    def take(self, **call):
        """The fault that this call meets, if any, used up once."""
        with self._lock:
            for fault in self._faults:
                if all(fault.get(k) in (None, call[k]) for k in MATCH):
                    fault["times"] -= 1
                    if not fault["times"]:
                        self._faults.remove(fault)
                    return fault

    def left(self):
        with self._lock:
            return [dict(f) for f in self._faults]

    def clear(self):
        with self._lock:
            self._faults.clear()
