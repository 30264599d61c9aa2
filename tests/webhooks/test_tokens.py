"""Tokens: made by whoever has the secret, and by nobody else."""

import pickle
import random
import string
import traceback
from pathlib import Path

import pytest

import cleanlist_async
from cleanlist_async import ConfigurationError
from cleanlist_async.redact import Secret
from cleanlist_async.webhooks.receiver import WebhookReceiver
from cleanlist_async.webhooks.tokens import new_submission_id, submission_of, token_of
from tests.support.cases import each_case
from tests.webhooks.couriers import PUBLIC_URL

PACKAGE = Path(cleanlist_async.__file__).parent
SECRET = "a secret of all workers".replace(" ", "-")


def test_every_worker_with_the_secret_recognises_a_token():
    id_ = new_submission_id()
    token = token_of(id_, Secret(SECRET))
    assert submission_of(token, Secret(SECRET)) == id_
    assert submission_of(token, Secret(SECRET + "!")) is None
    assert token.isascii()
    assert token.isalnum()


def test_ten_thousand_forged_tokens():
    rng, secret = random.Random(7), Secret(SECRET)
    real = token_of(new_submission_id(), secret)
    forgeries = [
        lambda: "".join(rng.choices("0123456789abcdef", k=64)),
        lambda: real[:32] + "".join(rng.choices("0123456789abcdef", k=32)),
        lambda: "".join(rng.choices("0123456789abcdef", k=32)) + real[32:],
        lambda: "".join(rng.choices(string.printable, k=rng.randrange(90))),
        lambda: real[: rng.randrange(64)],
        lambda: real + rng.choice(["\n", "0", " ", "\x00", "é"]),
        lambda: _one_changed(real, rng),
        lambda: real.upper() if real.upper() != real else "",
        lambda: real.replace(rng.choice(real), "٣", 1),
        lambda: "",
    ]
    accepted = sum(submission_of(rng.choice(forgeries)(), secret) is not None for _ in range(10_000))
    assert accepted == 0
    assert submission_of(real, secret) is not None
    assert submission_of(None, secret) is None
    assert submission_of(real.encode(), secret) is None


def test_a_token_of_a_job_is_none_of_a_run():
    receiver = WebhookReceiver(PUBLIC_URL, secret=SECRET)
    token = receiver.new_token()
    assert receiver.mail_id(token) == submission_of(token, Secret(SECRET), "job") == token[:32]
    assert submission_of(token, Secret(SECRET)) is None
    assert submission_of(token, Secret(SECRET + "!"), "job") is None
    of_a_run = token_of(new_submission_id(), Secret(SECRET))
    assert receiver.mail_id(of_a_run) is None
    assert not any(map(receiver.mail_id, ("", token[:32], token.upper(), token[:-1], token + "0")))


def _one_changed(token, rng):
    place = rng.randrange(64)
    other = rng.choice([digit for digit in "0123456789abcdef" if digit != token[place]])
    return token[:place] + other + token[place + 1 :]


def test_ids_are_never_the_same():
    assert len({new_submission_id() for _ in range(1_000)}) == 1_000


def test_the_secret_comes_from_the_environment_else_it_is_random(monkeypatch):
    def begun():
        return WebhookReceiver(PUBLIC_URL)

    monkeypatch.delenv("CLEANLIST_WEBHOOK_SECRET", raising=False)
    assert begun()._secret != begun()._secret
    monkeypatch.setenv("CLEANLIST_WEBHOOK_SECRET", SECRET)
    assert begun()._secret == begun()._secret == WebhookReceiver(PUBLIC_URL, secret=SECRET)._secret


@pytest.mark.parametrize(
    "bad", ["", "short", "fifteen-letters", SECRET + "\n", "with some blanks in it", "ümlautümlautümlaut", 7]
)
def test_a_bad_secret_is_refused_and_never_shown(bad, monkeypatch):
    with pytest.raises(ConfigurationError) as refusal:
        WebhookReceiver(PUBLIC_URL, secret=bad)
    assert len(str(bad)) < 8 or str(bad).strip() not in str(refusal.value)
    ours = [frame for frame, _ in traceback.walk_tb(refusal.value.__traceback__) if _is_ours(frame)]
    assert ours
    assert not any(bad in frame.f_locals.values() for frame in ours)
    if isinstance(bad, str):
        monkeypatch.setenv("CLEANLIST_WEBHOOK_SECRET", bad)
        with pytest.raises(ConfigurationError):
            WebhookReceiver(PUBLIC_URL)


def _is_ours(frame):
    return Path(frame.f_code.co_filename).is_relative_to(PACKAGE)


def test_the_secret_is_in_no_repr_and_in_no_pickle():
    receiver = WebhookReceiver(PUBLIC_URL, secret=SECRET)
    _, submission = receiver.begin()
    for thing in (receiver, submission, submission.signal, receiver.statistics()):
        assert SECRET not in repr(thing)
        assert submission.webhook_url not in repr(thing)
    with pytest.raises(TypeError):
        pickle.dumps(receiver)


@each_case(
    "url",
    [
        "http://app.example/hooks",
        "app.example/hooks",
        "https://",
        "https://app.example/hooks?x=1",
        "https://app.example/hooks#x",
        "https://me:pass@app.example/hooks",
        "",
        None,
    ],
)
def test_a_bad_address_is_refused(url):
    with pytest.raises(ConfigurationError):
        WebhookReceiver(url)


def test_the_address_of_a_submission_is_below_the_public_one():
    _, submission = WebhookReceiver(f"{PUBLIC_URL}/").begin()
    assert submission.webhook_url.startswith(f"{PUBLIC_URL}/")
    assert submission.webhook_url.count("//") == 1


@pytest.mark.parametrize("options", [{"confirm": "never"}, {"max_body_bytes": 0}, {"max_body_bytes": None}])
def test_other_options_that_cannot_work(options):
    with pytest.raises(ConfigurationError):
        WebhookReceiver(PUBLIC_URL, **options)
