"""Says when cron expressions fire, by cronsim, for our timetables to be compared with.

Each line of the input is {"expression", "zone", "after", "count"}, `after` in seconds since the epoch; each line of the
output is {"ticks": [seconds]} or {"error": text}.
"""

import json
import sys
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError


def answer(question):
    after = datetime.fromtimestamp(question["after"], ZoneInfo(question["zone"]))
    try:
        ticks = islice(CronSim(question["expression"], after), question["count"])
        return {"ticks": [int(tick.timestamp()) for tick in ticks]}
    except CronSimError as error:
        return {"error": str(error)}


def main():
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))))


if __name__ == "__main__":
    main()
