"""When a source is synced: at an interval, by a cron line, or never; and when again after a failure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

NEVER = "never"
_INTERVAL = re.compile(r"([1-9]\d{0,5})\s*([smhd])")
_UNITS = {
    "s": ("second", timedelta(seconds=1)),
    "m": ("minute", timedelta(minutes=1)),
    "h": ("hour", timedelta(hours=1)),
    "d": ("day", timedelta(days=1)),
}
_LONGEST = timedelta(days=366)
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIRST_RETRY = timedelta(minutes=15)
_LAST_RETRY = timedelta(days=1)
_DOUBLINGS = 20  # more would leave the range of dates, and are all over the longest pause


@dataclass(frozen=True, slots=True)
class Schedule:
    """One of the three: `interval`, `cron` (with its weekdays by name), or neither of them: never.

    `words` say it to a person.
    """

    words: str
    interval: timedelta | None = None
    cron: str = ""

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time after `moment` (aware); a cron line is meant in the machine's time zone."""
        if self.interval is not None:
            return moment + self.interval
        if not self.cron:
            return None
        from apscheduler.triggers.cron import CronTrigger

        trigger: Any = CronTrigger.from_crontab(self.cron)
        following: datetime | None = trigger.get_next_fire_time(None, moment + timedelta(microseconds=1))
        return following

    def retry_after(self, moment: datetime, failures: int) -> datetime | None:
        """When to try again after so many failures in a row.

        The pause is the time between two runs, or 15 minutes where that is longer, doubled with each failure,
        and a day at most.
        """
        following = self.next_after(moment)
        if following is None:
            return None
        later = self.next_after(following) or following
        pause = min(later - following, _FIRST_RETRY) * (1 << min(failures, _DOUBLINGS))
        return moment + min(pause, _LAST_RETRY)


def parse_schedule(text: str) -> Schedule:
    """Read "15m", "6h", "1d", a cron line of five fields, or "never".

    Weekdays are counted as cron counts them (https://man7.org/linux/man-pages/man5/crontab.5.html): 0 and 7
    are Sunday. Raises `ValueError` with a line that says what is wrong and how to mend it.
    """
    text = " ".join(text.split()).lower()
    if text == NEVER:
        return Schedule("never")
    if match := _INTERVAL.fullmatch(text):
        count, (unit, length) = int(match[1]), _UNITS[match[2]]
        if count * length > _LONGEST:
            raise ValueError("a year is the longest interval; write a shorter one, or 'never'")
        return Schedule(f"every {unit}" if count == 1 else f"every {count} {unit}s", interval=count * length)
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(
            "no schedule; write an interval as in '15m', '6h' or '1d', a cron line as in '0 6 * * *', "
            "or 'never'"
        )
    return Schedule(f"by cron line '{text}'", cron=_checked_cron(fields))


def _checked_cron(fields: list[str]) -> str:
    from apscheduler.triggers.cron import CronTrigger

    day, weekday = fields[2], fields[4]
    if day != "*" and weekday != "*":
        raise ValueError("a cron line with both a day of the month and a weekday; write * for one of them")
    cron = " ".join([*fields[:4], _weekdays(weekday)])
    try:
        trigger = CronTrigger.from_crontab(cron)
    except ValueError as error:
        raise ValueError(f"not a cron line ({error}); write minute, hour, day, month, weekday") from error
    except KeyError as error:
        raise ValueError("the machine's time zone is unknown; set TZ, as in TZ=Europe/Berlin") from error
    if trigger.get_next_fire_time(None, datetime.now().astimezone()) is None:
        raise ValueError("this cron line never comes; write a day that its month has")
    return cron


def _weekdays(field: str) -> str:
    """A weekday field with its numbers made names: APScheduler 3 counts from Monday, cron from Sunday."""
    days: list[str] = []
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = ("0-6" if span == "*" else span).partition("-")
        if not all(number.isdecimal() and len(number) < 3 for number in (first, last or "0", step or "1")):
            days.append(part)
            continue
        end = int(last or ("6" if step else first))
        if not int(first) <= end <= 7 or step == "0":
            raise ValueError(f"'{part}' is no weekday; write 0 (Sunday) to 6, or names as in mon-fri")
        days += [_WEEKDAYS[number % 7] for number in range(int(first), end + 1, int(step or "1"))]
    return "*" if field == "*" else ",".join(dict.fromkeys(days))
