"""APScheduler's job store over the table of jobs: nothing is pickled, functions are bound when it is made."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from apscheduler.job import Job
from apscheduler.jobstores.base import BaseJobStore, ConflictingIdError, JobLookupError
from apscheduler.triggers.base import BaseTrigger

from bot.jobs import JobTable, StoredJob
from bot.schedule import Schedule

_JITTER_SHARE = 0.1
_MOST_JITTER = timedelta(seconds=30)


class SourceTrigger(BaseTrigger):  # type: ignore[misc]
    """Fires by a schedule, counted from now: runs that were missed are made up by one.

    Up to a tenth of the time between two runs, 30 s at most, is added by chance, so that sources of one
    schedule do not all begin at once.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._chance = random.SystemRandom()

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first time after now; see `BaseTrigger`."""
        following = self.schedule.next_after(now)
        if following is None:
            return None
        most = min(_JITTER_SHARE * (following - now), _MOST_JITTER)
        return following + most * self._chance.random()


class SourceJobStore(BaseJobStore):  # type: ignore[misc]
    """Jobs whose ids are names of sources. A paused source's job keeps its time and is not due.

    Schedules and `run` are those of this process; the table keeps the times.
    """

    def __init__(
        self, table: JobTable, schedules: Mapping[str, Schedule], run: Callable[[str], Awaitable[None]]
    ) -> None:
        super().__init__()
        self._table = table
        self._schedules = schedules
        self._run = run

    def lookup_job(self, job_id: str) -> Job | None:
        """See `BaseJobStore`."""
        stored = self._table.jobs().get(job_id)
        return self._job(stored) if stored is not None else None

    def get_due_jobs(self, now: datetime) -> list[Job]:
        """See `BaseJobStore`."""
        return [self._job(stored) for due, stored in self._active() if due <= now]

    def get_next_run_time(self) -> datetime | None:
        """See `BaseJobStore`."""
        return next((due for due, _ in self._active()), None)

    def get_all_jobs(self) -> list[Job]:
        """See `BaseJobStore`."""
        return [self._job(stored) for stored in self._table.jobs().values()]

    def add_job(self, job: Job) -> None:
        """See `BaseJobStore`."""
        if not self._table.add(self._stored(job)):
            raise ConflictingIdError(job.id)

    def update_job(self, job: Job) -> None:
        """See `BaseJobStore`."""
        if job.id not in self._table.jobs():
            raise JobLookupError(job.id)
        self._table.put(self._stored(job))

    def remove_job(self, job_id: str) -> None:
        """See `BaseJobStore`."""
        if not self._table.remove(job_id):
            raise JobLookupError(job_id)

    def remove_all_jobs(self) -> None:
        """See `BaseJobStore`."""
        self._table.keep_only(())

    def _active(self) -> list[tuple[datetime, StoredJob]]:
        """Jobs that will run, and when, the earliest first."""
        jobs, paused = self._table.jobs(), self._table.paused()
        return [
            (job.next_run_time, job)
            for job in jobs.values()
            if job.next_run_time is not None and job.source not in paused
        ]

    def _stored(self, job: Job) -> StoredJob:
        return StoredJob(job.id, job.trigger.schedule.words, job.next_run_time)

    def _job(self, stored: StoredJob) -> Job:
        job = Job(
            self._scheduler,
            id=stored.source,
            name=stored.source,
            func=self._run,
            args=(stored.source,),
            kwargs={},
            trigger=SourceTrigger(self._schedules[stored.source]),
            executor="default",
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
            next_run_time=stored.next_run_time,
        )
        job._jobstore_alias = self._alias
        return job
