"""Bytes out, bytes in: the only folder that imports httpx."""

from cleanlist_async.transport.addresses import check_base_url, checked_proxy, is_loopback, same_origin
from cleanlist_async.transport.download import Download
from cleanlist_async.transport.exchange import Exchange, Failure, Params, Request
from cleanlist_async.transport.transport import HTTPClient, HTTPConnections, Transport

__all__ = [
    "Download",
    "Exchange",
    "Failure",
    "HTTPClient",
    "HTTPConnections",
    "Params",
    "Request",
    "Transport",
    "check_base_url",
    "checked_proxy",
    "is_loopback",
    "same_origin",
]
