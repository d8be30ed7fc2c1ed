import pathlib
from collections.abc import Iterator

import pytest
from fake import FakeSidecar
from peers import Emulator, Sidecar
from shells import Shells


@pytest.fixture
def socket(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "sidecar.sock"


@pytest.fixture
def emulator(tmp_path: pathlib.Path) -> Iterator[Emulator]:
    with Emulator(tmp_path) as emulator:
        yield emulator


@pytest.fixture
def sidecar(socket: pathlib.Path, emulator: Emulator) -> Iterator[Sidecar]:
    with Sidecar(socket, emulator) as sidecar:
        yield sidecar


@pytest.fixture
def fake(socket: pathlib.Path) -> Iterator[FakeSidecar]:
    fake = FakeSidecar(socket)
    yield fake
    fake.close()


@pytest.fixture(params=["threads", "asyncio"])
def new_session(request: pytest.FixtureRequest) -> Iterator[Shells]:
    shells = Shells(request.param)
    yield shells
    shells.close()
