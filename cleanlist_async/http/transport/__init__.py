"""Sends requests and reads answers as bytes: the only folder that imports httpx."""

from cleanlist_async.http.transport.addresses import check_base_url, is_loopback, origin_of, same_origin
from cleanlist_async.http.transport.connection_options import (
    ConnectionOptions,
    Headers,
    HTTPClient,
    HTTPConnections,
    Verify,
    proxy_name,
)
from cleanlist_async.http.transport.download import Download
from cleanlist_async.http.transport.exchange import (
    Exchange,
    Params,
    Request,
    failure_of,
    no_connection,
    not_trusted,
)
from cleanlist_async.http.transport.transport import Transport

__all__ = [
    "ConnectionOptions",
    "Download",
    "Exchange",
    "HTTPClient",
    "HTTPConnections",
    "Headers",
    "Params",
    "Request",
    "Transport",
    "Verify",
    "check_base_url",
    "failure_of",
    "is_loopback",
    "no_connection",
    "not_trusted",
    "origin_of",
    "proxy_name",
    "same_origin",
]
