"""Sends requests and reads answers as bytes: the only folder that imports httpx."""

from cleanlist_async.http.transport.addresses import check_base_url, checked_proxy, is_loopback, same_origin
from cleanlist_async.http.transport.download import Download
from cleanlist_async.http.transport.exchange import Exchange, Params, Request
from cleanlist_async.http.transport.sender import HTTPClient, HTTPConnections
from cleanlist_async.http.transport.transport import Transport

__all__ = [
    "Download",
    "Exchange",
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
