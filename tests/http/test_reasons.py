"""What errors say of calls that got no answer of the API: what was sent, who answered, and what to do."""

import pytest

from cleanlist_async import RateLimitError
from cleanlist_async.events import ContactsUndelivered
from cleanlist_async.events.log_lines import write
from cleanlist_async.http.transport.exchange import describe, no_connection
from cleanlist_async.sandbox import Fault
from tests.support.cases import each_case
from tests.support.virtual_sandbox import people


class ConnectError(Exception):
    pass


@each_case(
    ("reason", "fix", "retryable"),
    [
        ("ConnectError: [Errno -2] Name or service not known", "Check this machine's network and DNS", True),
        ("ProxyError: 407 Proxy Authentication Required", "give them in its address", False),
        ("ProxyError: 403 Forbidden", "The proxy does not allow this host", False),
        ("ProxyError: 503 Service Unavailable", "Check the proxy.", True),
        (describe(ConnectError()), "Nothing there has a certificate", True),
    ],
)
def test_a_request_that_did_not_leave_says_so_and_what_to_check(reason, fix, retryable):
    error = no_connection(
        "api.example:8443 through the proxy http://p:1" if fix[:9] == "Check the" else "a", reason, sent=False
    )
    assert "Nothing was sent." in str(error)
    assert fix in error.fix
    assert error.retryable is retryable


def test_of_one_that_may_have_left_nothing_of_that_is_said():
    error = no_connection("api.example", "ReadError: reset", sent=True)
    assert str(error) == "No answer from api.example: ReadError: reset."


@pytest.mark.world(with_store=True)
async def test_a_page_that_answers_a_submit_names_its_host_and_what_it_may_be(world):
    world.sandbox.add_fault(
        Fault("/enrich/bulk", status=502, body="<html>", headers=[("content-type", "text/html")])
    )
    report = await world.client.enrich(people(1))
    error = report.results[0].error
    assert "localhost answered 502 without saying why" in error
    assert "it came from a gateway or proxy" in error


async def test_a_pause_that_the_deadline_does_not_leave_is_told(world):
    world.sandbox.add_fault(Fault("/credits/balance", status=429, headers=[("retry-after", "600")]))
    with pytest.raises(RateLimitError) as raised:
        await world.client.with_options(deadline_s=10).public.credits_balance()
    assert "asks for a pause of 600 s, and the deadline leaves " in str(raised.value)


@each_case(
    ("contacts", "said"), [(1, "1 contact that it had bought was handed"), (2, "had bought were handed")]
)
def test_one_contact_was_and_two_were_handed_out(caplog, contacts, said):
    write(ContactsUndelivered(contacts, ("w",)))
    assert said in caplog.messages[-1]
