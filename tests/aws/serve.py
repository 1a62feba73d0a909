"""The local AWS: one endpoint on loopback, two emulators behind it. See README.md.

Prints one JSON line on stdout when it is ready: {"endpoint": "http://127.0.0.1:4566", "pid": 4711}
"""
import argparse
import asyncio
import json
import logging
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path

from gateway import guard


def arguments():
    parser = argparse.ArgumentParser(description="Local AWS for Backstop: ministack and moto behind one endpoint.")
    parser.add_argument("--port", type=int, default=4566, help="0 takes a free port (default: 4566)")
    parser.add_argument("--log", help="file for all output of the emulators (default: a temporary file)")
    parser.add_argument("--setup", action="store_true", help="make the journal table and the topics in account 111111111111, us-east-1")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when stdin ends")
    return parser.parse_args()


# What the emulators and the functions that they execute may inherit; all else would be unlike Lambda.
INHERITED = re.compile(r"PATH|HOME|LANG|LC_ALL|TZ|LD_LIBRARY_PATH|LLVM_PROFILE_FILE|RUST_LOG|RUST_BACKTRACE|LOG_LEVEL"
                       r"|LAMBDA_\w+|BACKSTOP_LOCAL_PAGE")


def environment(port, scratch):
    """Replaces the environment; ministack reads it when imported, and hands it to the functions that it executes."""
    kept = {name: value for name, value in os.environ.items() if INHERITED.fullmatch(name)}
    os.environ.clear()
    os.environ.update({
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "1",
        "LOG_LEVEL": "INFO",
        **kept,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "TMPDIR": scratch, "S3_DATA_DIR": os.path.join(scratch, "s3"),
        # ministack
        "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": "111111111111",
        "AUTH": "true",  # an executed function gets a session of its role, and the role's policies bind it
        "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0",  # these would listen beside the gateway
        "LAMBDA_EXECUTOR": "local", "PERSIST_STATE": "0",
        # moto
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true", "MOTO_PORT": str(port),
    })
    tempfile.tempdir = scratch


def moto_python():
    """The moto environment stands beside the one that runs this."""
    python = Path(sys.prefix).parent / "moto" / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"no moto environment beside {sys.prefix}: run tests/aws/venv.sh")
    return str(python)


def take_output(path):
    """Sends stdout and stderr, ours and our children's, to the log. Returns a function that prints to the real stdout,
    and one that prints to the real stderr."""
    out, err = os.fdopen(os.dup(1), "w"), os.fdopen(os.dup(2), "w")
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)

    def say(value):
        print(json.dumps(value), file=out, flush=True)

    def complain(text):
        print(text, file=err, flush=True)
    return say, complain


async def serve(listener, moto, options, say):
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    from gateway.app import Gateway

    gateway, stop, loop = Gateway(moto), asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.until_stdin_closes:
        def wait_for_eof():
            while os.read(0, 4096):
                pass
            loop.call_soon_threadsafe(stop.set)
        threading.Thread(target=wait_for_eof, daemon=True).start()

    async def ready():
        await asyncio.to_thread(moto.wait_until_ready)
        if options.setup:
            await gateway.setup("111111111111", "us-east-1")
        port = listener.getsockname()[1]
        say({"endpoint": f"http://127.0.0.1:{port}", "pid": os.getpid()})

    async def app(scope, receive, send):
        async def started(message):
            if message["type"] == "lifespan.startup.complete":
                await ready()
            await send(message)
        await gateway(scope, receive, started if scope["type"] == "lifespan" else send)

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.5
    config.startup_timeout = 60
    config.accesslog = None
    await hypercorn_serve(app, config, shutdown_trigger=stop.wait)


def main():
    options = arguments()
    refused = guard.refusal(os.environ)
    if refused:
        raise SystemExit(f"refusing to start: {refused}")
    python = moto_python()
    try:
        listener = socket.create_server(("127.0.0.1", options.port))  # bound first: its port goes into the environment
    except OSError as error:
        raise SystemExit(f"cannot listen on 127.0.0.1:{options.port}: {error.strerror}") from None
    scratch = tempfile.mkdtemp(prefix="backstop-aws-")
    log = options.log or os.path.join(tempfile.gettempdir(), f"backstop-aws-{os.getpid()}.log")
    environment(listener.getsockname()[1], scratch)
    say, complain = take_output(log)

    from gateway.moto import Moto
    moto = Moto(python, log=2)
    status = 1
    try:
        asyncio.run(serve(listener, moto, options, say))
        status = 0
    except Exception:
        logging.exception("the local AWS failed")
        complain(f"the local AWS failed; see {log}")
    finally:
        moto.stop()
        from ministack.core import lambda_runtime
        lambda_runtime.reset()  # ends the functions that it executes
        shutil.rmtree(scratch, ignore_errors=True)
        logging.shutdown()
    os._exit(status)  # ministack's worker threads are not waited for


if __name__ == "__main__":
    main()
