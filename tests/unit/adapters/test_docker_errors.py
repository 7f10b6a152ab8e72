"""The border to the docker SDK: nothing of it gets through, and secrets do not either."""

from __future__ import annotations

import inspect
from types import ModuleType

import docker.errors
import pytest
import requests
import requests.exceptions
import urllib3.exceptions

from monitor.adapters.docker.errors import border, translate
from monitor.errors import BgmonError, Conflict, EngineError, EngineUnreachable, LockedError, NotFound

ENGINE = "unix:///run/docker.sock"


def refused(status: int, said: str) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    kind = docker.errors.NotFound if status == 404 else docker.errors.APIError
    return kind("error", response=response, explanation=said)


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (refused(404, "No such container: x"), NotFound, ""),
        (refused(409, "Conflict. The container name is already in use"), Conflict, ""),
        (refused(500, "driver failed: Bind for 127.0.0.1:2000 failed: port is already allocated"), Conflict, "ss -ltnp"),
        (refused(500, "listen tcp4 127.0.0.1:2000: bind: address already in use"), Conflict, "ss -ltnp"),
        (refused(400, 'exec: "shop": executable file not found in $PATH: unknown'), EngineError, "check `command`"),
        (refused(404, 'exec: "shop": executable file not found in $PATH: unknown'), EngineError, "check `command`"),
        (refused(500, "write /x: no space left on device"), EngineError, "free space"),
        (refused(500, "something else"), EngineError, ""),
        (requests.exceptions.ReadTimeout("slow"), EngineUnreachable, "log"),
        (requests.exceptions.ConnectionError(FileNotFoundError(2, "no file")), EngineUnreachable, "DOCKER_HOST"),
        (requests.exceptions.ConnectionError(PermissionError(13, "no")), EngineUnreachable, "group docker"),
        (requests.exceptions.ChunkedEncodingError("torn"), EngineUnreachable, "log"),
        (ConnectionResetError("torn"), EngineUnreachable, "log"),
        (docker.errors.DockerException("credentials"), EngineError, ""),
        (KeyError("Id"), EngineError, ""),
    ],
)  # fmt: skip
def test_each_kind_of_trouble_has_its_error(error: Exception, kind: type[BgmonError], hint: str) -> None:
    found = translate(error, "starting x", engine=ENGINE)
    assert type(found) is kind
    assert str(found).startswith("starting x: ")
    assert hint in found.hint
    assert "\n" not in str(found)


def every_error(module: ModuleType) -> list[type[Exception]]:
    return [kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, Exception)]


@pytest.mark.parametrize("module", [docker.errors, requests.exceptions, urllib3.exceptions])
def test_no_error_of_the_libraries_gets_through(module: ModuleType) -> None:
    for kind in every_error(module):
        # Their constructors want all kinds of arguments; what a bare one lacks is filled in.
        bare = type(kind.__name__, (kind,), {"__str__": lambda _: "torn", "explanation": "torn", "response": None})
        error: BaseException = kind.__new__(bare)
        with pytest.raises(BgmonError), border("asking", engine=ENGINE):
            raise error


def test_errors_of_bgmon_pass_as_they_are() -> None:
    with pytest.raises(LockedError), border("asking", engine=ENGINE):
        raise LockedError("held")


def test_an_error_that_the_sdk_wrapped_is_looked_into() -> None:
    try:
        try:
            raise requests.exceptions.ConnectionError(ConnectionRefusedError(111, "refused"))
        except requests.exceptions.ConnectionError as inner:
            raise docker.errors.DockerException("Error while fetching server API version") from inner
    except docker.errors.DockerException as outer:
        found = translate(outer, "connecting", engine=ENGINE)
    assert isinstance(found, EngineUnreachable)
    assert "no Docker engine listens at unix:///run/docker.sock" in str(found)
