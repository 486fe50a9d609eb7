"""Which stablecoins settle: who may list them, and what is refused."""

from __future__ import annotations

import pytest

from derrick.testing import reverts_with


@pytest.fixture(scope="module")
def registry(project, owner):
    return project.StablecoinRegistry.deploy(owner, sender=owner)


def coin(project, owner, decimals):
    return project.MockERC20.deploy("Coin", "COIN", decimals, sender=owner)


@pytest.mark.parametrize("decimals", [2, 6, 18])
def test_listing_reads_the_decimals(registry, project, owner, decimals):
    token = coin(project, owner, decimals)
    assert not registry.isAllowed(token)
    receipt = registry.setStablecoin(token, True, sender=owner)
    assert registry.isAllowed(token)
    assert registry.requireAllowed(token) == decimals
    [event] = receipt.events
    assert (event.token, event.decimals, event.allowed) == (token.address, decimals, True)


@pytest.mark.parametrize("decimals", [0, 1, 19, 77])
def test_decimals_that_no_stablecoin_has_are_refused(registry, project, owner, decimals):
    token = coin(project, owner, decimals)
    with reverts_with(registry.DecimalsOutOfRange, token=token, decimals=decimals):
        registry.setStablecoin(token, True, sender=owner)


def test_what_is_no_token_is_refused(registry, owner, stranger):
    with reverts_with(registry.NotAToken, token=stranger):
        registry.setStablecoin(stranger, True, sender=owner)
    with reverts_with(registry.NotAToken, token=registry):
        registry.setStablecoin(registry, True, sender=owner)


def test_a_token_leaves_the_list(registry, project, owner):
    token = coin(project, owner, 6)
    registry.setStablecoin(token, True, sender=owner)
    registry.setStablecoin(token, False, sender=owner)
    assert not registry.isAllowed(token)
    with reverts_with(registry.StablecoinNotAllowed, token=token):
        registry.requireAllowed(token)


def test_only_the_owner_lists(registry, project, owner, stranger):
    token = coin(project, owner, 6)
    with reverts_with("Unauthorized()"):
        registry.setStablecoin(token, True, sender=stranger)


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("0x60016000f3", "answers one byte"),
        ("0x600660005260206000fd", "reverts with what looks like an answer"),
        ("0xfe", "burns its gas"),
    ],
)
def test_what_does_not_answer_with_a_number_is_no_token(registry, lane, owner, code, fault):
    token = "0x00000000000000000000000000000000000C0FFE"
    lane.node.request("anvil_setCode", token, code)
    with reverts_with(registry.NotAToken, token=token):
        registry.setStablecoin(token, True, sender=owner)
    assert not registry.isAllowed(token), fault


def test_a_token_that_has_fallen_silent_can_still_be_taken_off(registry, project, lane, owner):
    """Its decimals stay what they were when it was first listed."""
    token = coin(project, owner, 6)
    registry.setStablecoin(token, True, sender=owner)
    lane.node.request("anvil_setCode", token.address, "0xfe")
    [event] = registry.setStablecoin(token, False, sender=owner).events
    assert (event.token, event.decimals, event.allowed) == (token.address, 6, False)
    assert not registry.isAllowed(token)
