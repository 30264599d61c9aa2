"""Run the activities of the Temporal example in an ActivityEnvironment, and print what came of them."""

from __future__ import annotations

import asyncio
import json
import sys

import activities
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

CHUNK = [
    {"first_name": f"Grace{n}", "last_name": "Hopper", "company_domain": "analytical.example"}
    for n in range(20)
]


async def main(job: str) -> None:
    environment, beats = ActivityEnvironment(), []
    environment.on_heartbeat = lambda *_details: beats.append(1)
    done = await environment.run(activities.run_job, job)
    workflow_id = await environment.run(activities.submit_chunk, CHUNK)
    while True:
        try:
            rows = await environment.run(activities.fetch_chunk, workflow_id)
            break
        except ApplicationError as unfinished:
            assert not unfinished.non_retryable
            await asyncio.sleep(0.2)
    try:
        await environment.run(activities.submit_chunk, [{"email": "not enough"}])
    except ApplicationError as refusal:
        refused = {"type": refusal.type, "non_retryable": refusal.non_retryable}
    sys.stdout.write(json.dumps({"done": done, "beats": len(beats), "rows": len(rows), "refused": refused}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
