"""Sends requests and reads answers as bytes: the only folder that imports httpx."""

from cleanlist_async.http.transport.addresses import check_base_url as check_base_url
from cleanlist_async.http.transport.addresses import is_loopback as is_loopback
from cleanlist_async.http.transport.addresses import origin_of as origin_of
from cleanlist_async.http.transport.addresses import same_origin as same_origin
from cleanlist_async.http.transport.connection_options import ConnectionOptions as ConnectionOptions
from cleanlist_async.http.transport.connection_options import Headers as Headers
from cleanlist_async.http.transport.connection_options import HTTPClient as HTTPClient
from cleanlist_async.http.transport.connection_options import HTTPConnections as HTTPConnections
from cleanlist_async.http.transport.connection_options import Verify as Verify
from cleanlist_async.http.transport.connection_options import proxy_name as proxy_name
from cleanlist_async.http.transport.download import Download as Download
from cleanlist_async.http.transport.exchange import Exchange as Exchange
from cleanlist_async.http.transport.exchange import Params as Params
from cleanlist_async.http.transport.exchange import Request as Request
from cleanlist_async.http.transport.exchange import failure_of as failure_of
from cleanlist_async.http.transport.exchange import no_connection as no_connection
from cleanlist_async.http.transport.exchange import not_trusted as not_trusted
from cleanlist_async.http.transport.transport import Transport as Transport
