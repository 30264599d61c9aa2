"""The client in an ASGI application, for any framework: its life, errors, health, disconnects and webhooks.

`cleanlist_lifespan` opens the client with the application, and `problem_response` answers its errors;
:mod:`cleanlist_async.integrations.fastapi` has routers and dependencies for FastAPI. This module needs no
framework. docs/guides/asgi.md has whole programs for Starlette, Litestar and Django.
"""

from __future__ import annotations

from cleanlist_async.integrations.asgi.health import Health, Obstacle, Readiness, health_of, readiness_of
from cleanlist_async.integrations.asgi.lifespan import (
    ClientLifespan,
    Lifespan,
    OpenClient,
    OtherLifespan,
    cleanlist_lifespan,
    combine_lifespans,
    with_lifespan,
)
from cleanlist_async.integrations.asgi.problems import (
    FieldProblem,
    Problem,
    add_problems,
    invalid_request_response,
    problem_of,
    problem_response,
    problem_responses,
)
from cleanlist_async.integrations.asgi.requests import (
    ASGIApp,
    CallerHungUpError,
    Message,
    Receive,
    Response,
    Scope,
    Send,
    receive_webhook,
    unless_disconnected,
    webhook_app,
)

__all__ = [
    "ASGIApp",
    "CallerHungUpError",
    "ClientLifespan",
    "FieldProblem",
    "Health",
    "Lifespan",
    "Message",
    "Obstacle",
    "OpenClient",
    "OtherLifespan",
    "Problem",
    "Readiness",
    "Receive",
    "Response",
    "Scope",
    "Send",
    "add_problems",
    "cleanlist_lifespan",
    "combine_lifespans",
    "health_of",
    "invalid_request_response",
    "problem_of",
    "problem_response",
    "problem_responses",
    "readiness_of",
    "receive_webhook",
    "unless_disconnected",
    "webhook_app",
    "with_lifespan",
]
