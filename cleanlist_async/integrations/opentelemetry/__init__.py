"""OpenTelemetry: spans of calls and attempts, and metrics. Needs the extra ``otel``.

::

    telemetry = OpenTelemetry()
    async with AsyncCleanlist(on_event=telemetry) as client:
        telemetry.watch(client)

"""

from __future__ import annotations

from cleanlist_async.integrations import explain_missing

try:
    from cleanlist_async.integrations.opentelemetry.listener import OpenTelemetry
except ModuleNotFoundError as missing:
    explain_missing(missing, "OpenTelemetry needs", "otel", "opentelemetry")
    raise

__all__ = ["OpenTelemetry"]
