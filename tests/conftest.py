"""Fixtures that every test shares: who takes part, the lane, and one clock for every run."""

from __future__ import annotations

import pytest

from derrick.ape_patch import mend_ape
from derrick.chain import Lane, NodeError
from derrick.local import check_node
from derrick.testing import ROLES, START_TIME, isolated, load_hypothesis_profile

load_hypothesis_profile()
mend_ape()


def pytest_configure():
    try:
        check_node()
    except NodeError as error:
        raise pytest.UsageError(str(error)) from error


def _role(name: str):
    @pytest.fixture(scope="session", name=name)
    def role(accounts):
        return accounts[ROLES.index(name)]

    return role


owner = _role("owner")
guardian = _role("guardian")
operator = _role("operator")
other_operator = _role("other_operator")
tenant = _role("tenant")
other_tenant = _role("other_tenant")
lender = _role("lender")
other_lender = _role("other_lender")
borrower = _role("borrower")
liquidator = _role("liquidator")
treasury = _role("treasury")
stranger = _role("stranger")


@pytest.fixture(scope="session")
def attestors(accounts):
    """Those who sign telemetry; eight of them."""
    return [accounts[index] for index in range(ROLES.index("attestors"), len(accounts))]


@pytest.fixture(scope="session")
def lane(chain):
    """The JSON-RPC lane to this run's node."""
    lane = Lane.of_ape()
    yield lane
    lane.node.close()


@pytest.fixture(scope="session", autouse=True)
def _clock(lane):
    """Blocks are a second apart from START_TIME on, in every run and on both lanes."""
    lane.step_time(1)
    lane.mine(at=START_TIME)


# Ape's own isolation is off (pyproject.toml): it only logs that it could not restore a snapshot,
# and the test after that starts from another's state.


@pytest.fixture(scope="module", autouse=True)
def _module_undone(lane, _clock):
    with isolated(lane):
        yield


@pytest.fixture(autouse=True)
def _undone(lane, _module_undone):
    with isolated(lane):
        yield
