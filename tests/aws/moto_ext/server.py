"""moto's server: on loopback, on a free port, one request at a time."""
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


class Handler(MotoRequestHandler):
    disable_nagle_algorithm = True  # headers and body are two writes: without this an answer may wait 40 ms

    def log_request(self, *_):
        """The gateway keeps the record of calls."""


class OneAtATime:
    """moto is not safe against concurrent changes, and the interpreter lock makes concurrency worth nothing anyway."""

    def __init__(self, app):
        self._app, self._lock = app, threading.Lock()

    def __call__(self, environ, start_response):
        with self._lock:
            return list(self._app(environ, start_response))


def make():
    app = OneAtATime(DomainDispatcherApplication(create_backend_app))
    return make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
