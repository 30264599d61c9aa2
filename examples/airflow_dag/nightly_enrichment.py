"""A DAG that enriches the contacts of each night. For Airflow 3."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.sdk import DAG
from cleanlist_operator import CleanlistJobOperator

with DAG(
    "nightly_enrichment", schedule="@daily", start_date=datetime(2026, 11, 1, tzinfo=UTC), catchup=False
):
    CleanlistJobOperator(
        task_id="enrich",
        job="crm-{{ ds }}",
        contacts=os.environ.get("CONTACTS", "contacts.csv"),
        max_credits=10_000,
    )
