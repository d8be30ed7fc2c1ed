import pytest

from charts import CHARTS, complaint, helm, releases


@pytest.fixture(scope="session", autouse=True)
def dependencies():
    """Packs the sidecar's chart for the example's, as anyone does before installing it."""
    done = helm("dependency", "build", CHARTS / "example-app")
    assert done.returncode == 0, complaint(done)


def pytest_generate_tests(metafunc):
    """A test that takes a `release` is run for each."""
    if "release" in metafunc.fixturenames:
        metafunc.parametrize("release", releases(), ids=lambda it: it.name)
