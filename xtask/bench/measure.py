"""Runs a command and prints what it cost as one line of JSON.

usage: measure.py LOG COMMAND [ARGS...]

The command's output goes to the file LOG. CPU time and memory are those of the command and of the children that it
waited for, as the kernel counted them. Peak memory has a floor of about 10 MB: the child's first pages are this Python's.
"""

import json
import os
import sys
import time


def main(log, command):
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        start_command(log, command)
    _, status, used = os.wait4(child, 0)
    wall = time.perf_counter() - start
    rss_unit = 1 if sys.platform == "darwin" else 1024
    cost = {
        "exit": os.waitstatus_to_exitcode(status),
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "wall_seconds": wall,
        "rss_bytes": used.ru_maxrss * rss_unit,
    }
    print(json.dumps(cost))


def start_command(log, command):
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.execvp(command[0], command)
    finally:
        os._exit(127)


main(sys.argv[1], sys.argv[2:])
