"""moto with the extension: prints the port that it took, and ends when its stdin ends."""
import os
import sys
import threading

from . import server


def end_with_parent():
    while os.read(0, 4096):
        pass
    os._exit(0)


def main():
    serving = server.make()
    threading.Thread(target=end_with_parent, daemon=True).start()
    print(serving.server_port, flush=True)
    os.dup2(2, 1)  # whatever else is printed goes to the log
    sys.stdout = sys.stderr
    serving.serve_forever()


main()
