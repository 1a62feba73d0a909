"""The moto child process: started here, spoken to over loopback, and gone when this process is gone."""
import http.client
import subprocess
from pathlib import Path

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "content-length"}


class Moto:
    def __init__(self, python, log):
        # The child ends at the end of its stdin, which the kernel closes even when this process is killed.
        self.process = subprocess.Popen(
            [python, "-m", "moto_ext"], cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.port = None

    def wait_until_ready(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"moto ended before it was ready (exit code {self.process.wait()})")
        self.port = int(line)

    def forward(self, request, account):
        """Blocking; returns (status, headers, body). The account travels in moto's own header: session keys name none."""
        headers = {k: v for k, v in request.headers.items() if k not in HOP_BY_HOP}
        headers["x-moto-account-id"] = account
        path = request.path + ("?" + request.query if request.query else "")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(request.method, path, request.body, headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        return response.status, {k.lower(): v for k, v in response.getheaders() if k.lower() not in HOP_BY_HOP}, body

    def reset(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", "/moto-api/reset", b"")
        status = connection.getresponse().status
        connection.close()
        if status != 200:
            raise RuntimeError(f"moto answered {status} to a reset")

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
