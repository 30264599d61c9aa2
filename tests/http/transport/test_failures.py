"""How exceptions of the transport read within a sentence."""

import httpx

from cleanlist_async.http.transport.exchange import describe


def test_a_full_stop_of_its_own_is_not_doubled():
    lost = httpx.RemoteProtocolError("Server disconnected without sending a response.")

    assert describe(lost) == "RemoteProtocolError: Server disconnected without sending a response"


def test_an_exception_without_a_message_is_its_class():
    assert describe(httpx.ReadError("")) == "ReadError"
