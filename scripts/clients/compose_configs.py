"""What Debian's docker-compose makes of many projects; it is started once, which takes longer than what it then does.

Reads folders, one a line, and answers each with a line of JSON: what `docker-compose config` prints there, or null where it
refuses the project. Run by Debian's own interpreter.
"""

import json
import os
import sys

from compose.cli.main import main


def config(folder):
    """What it prints, by a process of its own, which ends as the program would."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.dup2(writes, sys.stdout.fileno())
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        os.close(reads)
        sys.argv = ["docker-compose", "config"]
        refused = False
        try:
            main()
        except BaseException as end:
            refused = getattr(end, "code", 1) not in (None, 0)
        sys.stdout.flush()
        os._exit(refused)
    os.close(writes)
    with os.fdopen(reads, encoding="utf-8") as printed:
        text = printed.read()
    _, status = os.waitpid(child, 0)
    return text if status == 0 else None


for line in sys.stdin:
    print(json.dumps(config(line.rstrip("\n"))), flush=True)
