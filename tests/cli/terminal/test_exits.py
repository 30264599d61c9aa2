import json

import pytest

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize(
    ("args", "code", "type_", "says"),
    [
        (("plan", "nobody.csv"), 1, "TableError", "nobody.csv: cannot be read"),
        (("plan", "in.csv", "--map", "linkedin_url"), 2, "CommandError", "--map takes FIELD=HEADER"),
        (("plan", "in.csv", "--type", "everything"), 2, "ConfigurationError", "--type must be"),
        (("credits",), 2, "ConfigurationError", "no API key"),
        (("plan",), 2, "MissingParameter", "Missing argument 'IN'. See cleanlist-async plan --help."),
        (("plan", "in.csv", "--jsn"), 2, "NoSuchOption", "No such option: --jsn"),
        (("frobnicate",), 2, "UsageError", "No such command 'frobnicate'. See cleanlist-async --help."),
    ],
)
def test_with_json_an_error_is_one_object_and_one_line(cli, people, args, code, type_, says):
    cli.write(people(1))
    done = cli(*args, "--json")
    assert done.code == code
    error = json.loads(done.out)["error"]
    assert (error["type"], error["exit_code"], error["request_id"]) == (type_, code, None)
    assert says in error["message"]
    assert done.error == f"error: {error['message']}"


def test_with_json_a_refusal_of_the_server_has_its_code_and_request_id(cli, serve):
    with serve():
        cli.env["CLEANLIST_API_KEY"] = "clapi_wrong"
        done = cli("whoami", "--json")
    error = json.loads(done.out)["error"]
    assert (done.code, error["code"]) == (4, "invalid_token")
    assert error["request_id"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("credits",), "Set CLEANLIST_API_KEY or CLEANLIST_API_KEY_FILE."),
        (("plan", "in.csv", "--type", "x"), "--type must be"),
        (("credits", "--base-url", "http://example.com"), "--base-url must be https"),
        (("enrich", "in.csv", "-o", "o.csv", "--webhook-url", "ftp://x", "-y"), "--webhook-url must be"),
        (
            ("enrich", "in.csv", "-o", "o.csv", "--max-credits", "-1", "-y"),
            "Invalid value for '--max-credits'",
        ),
    ],
)
def test_an_error_speaks_of_options_and_not_of_arguments(cli, people, args, says):
    cli.write(people(1))
    if args != ("credits",):
        cli.env["CLEANLIST_API_KEY"] = "clapi_x"
    error = cli(*args).error
    assert says in error
    assert "api_key=" not in error
    assert not any(name in error for name in ("max_credits", "base_url", "webhook_url", "enrichment_type"))
