"""RevenueSplitterFactory: one splitter per capacity that names it, with legs in bounds."""

from __future__ import annotations

from typing import Any

import pytest

from derrick.abi import checksum
from derrick.testing import reverts_with
from tests.splitter_stage import logs

SHARE = 10**18
SUPPLY = 1_000_000 * SHARE
MAX_SUPPLY = 10**27
CAPACITY = 7
ZERO = "0x" + "00" * 20
ANY_BPS = 10_000


@pytest.fixture(scope="module")
def usd(project, owner):
    return owner.deploy(project.MockERC20, "Dollar", "USD", 6)


@pytest.fixture(scope="module")
def engine(project, owner):
    return owner.deploy(project.MockRevenueSource)


@pytest.fixture(scope="module")
def factory(project, owner, engine):
    return owner.deploy(project.RevenueSplitterFactory, owner, engine, engine)


@pytest.fixture(scope="module")
def payee(factory, engine, usd, operator, owner):
    """Where the operator will make the splitter of a capacity that names it already."""
    predicted = factory.predict(operator, CAPACITY, usd, SUPPLY)
    engine.setPayee(CAPACITY, predicted, usd, sender=owner)
    return predicted


def config(holder: Any, legs: Any = (), supply: int = SUPPLY, max_bps: int = ANY_BPS) -> Any:
    return (CAPACITY, supply, holder, list(legs), max_bps)


class TestDeployment:
    def test_says_what_it_relies_on(self, factory, engine, owner):
        assert factory.owner() == owner
        assert factory.CAPACITY() == factory.LEASE() == engine
        assert tuple(factory.protocolLeg()) == (ZERO, 0, False)

    @pytest.mark.parametrize("field", ["owner", "capacity", "lease"])
    def test_refuses_a_zero_address(self, project, engine, owner, field):
        given = {"owner": owner.address, "capacity": engine.address, "lease": engine.address}
        with reverts_with(
            project.RevenueSplitterFactory.BadAddress,
            field=field.encode().ljust(32, b"\0"),
            value=ZERO,
        ):
            owner.deploy(project.RevenueSplitterFactory, *(given | {field: ZERO}).values())


class TestCreate:
    def test_makes_what_it_predicted_and_says_so(
        self, project, factory, payee, usd, operator, tenant, lender, treasury, owner
    ):
        factory.setProtocolLeg(200, treasury, sender=owner)
        assert not factory.isSplitter(payee)
        own = [(lender, 1_500, True), (operator, 1, False)]
        receipt = factory.create(config(tenant, own, max_bps=200), sender=operator)
        assert receipt.return_value == payee
        assert factory.isSplitter(payee)

        (created,) = logs(receipt, project.RevenueSplitterFactory.SplitterCreated)
        legs = created.pop("legs")
        assert created == {
            "splitter": payee,
            "capacity": CAPACITY,
            "holder": tenant,
            "creator": operator,
            "stablecoin": usd,
            "supply": SUPPLY,
        }
        wanted = [(lender, 1_500, True), (operator, 1, False), (treasury, 200, True)]
        assert [(checksum(recipient), *rest) for recipient, *rest in legs] == wanted
        splitter = project.RevenueSplitter.at(payee)
        assert [tuple(splitter.legOf(leg)) for leg in range(3)] == wanted
        assert splitter.balanceOf(tenant) == splitter.totalSupply() == SUPPLY
        assert logs(receipt, project.RevenueSplitter.Transfer) == [
            {"from": ZERO, "to": tenant, "amount": SUPPLY}
        ]

    def test_without_a_protocol_leg_has_the_makers_only(self, project, factory, payee, operator):
        factory.create(config(operator, max_bps=0), sender=operator)
        assert tuple(project.RevenueSplitter.at(payee).legs()) == (0, 0)

    def test_takes_seven_legs_and_8000_bps_beside_the_protocols(
        self, project, factory, payee, operator, treasury, owner
    ):
        factory.setProtocolLeg(1_000, treasury, sender=owner)
        factory.create(
            config(operator, [(operator, 1_142, False)] * 6 + [(owner, 1_148, True)]),
            sender=operator,
        )
        assert tuple(project.RevenueSplitter.at(payee).legs()) == (8, 9_000)

    @pytest.mark.parametrize("supply", [1, MAX_SUPPLY])
    def test_takes_the_smallest_and_the_largest_supply(
        self, project, factory, engine, usd, operator, owner, supply
    ):
        engine.setPayee(
            CAPACITY, factory.predict(operator, CAPACITY, usd, supply), usd, sender=owner
        )
        splitter = factory.create(config(operator, supply=supply), sender=operator).return_value
        assert project.RevenueSplitter.at(splitter).balanceOf(operator) == supply

    def test_happens_once(self, project, factory, payee, operator):
        factory.create(config(operator), sender=operator)
        with reverts_with(project.RevenueSplitterFactory.AlreadyCreated, splitter=payee):
            factory.create(config(operator), sender=operator)

    def test_nobody_else_makes_it_in_ones_place(self, project, factory, payee, usd, stranger):
        elsewhere = factory.predict(stranger, CAPACITY, usd, SUPPLY)
        assert elsewhere != payee
        with reverts_with(
            project.RevenueSplitterFactory.NotPayee,
            capacity=CAPACITY,
            splitter=elsewhere,
            payee=payee,
        ):
            factory.create(config(stranger), sender=stranger)
        assert not factory.isSplitter(elsewhere)

    def test_another_supply_is_another_splitter(self, project, factory, payee, usd, operator):
        elsewhere = factory.predict(operator, CAPACITY, usd, SUPPLY + 1)
        with reverts_with(
            project.RevenueSplitterFactory.NotPayee,
            capacity=CAPACITY,
            splitter=elsewhere,
            payee=payee,
        ):
            factory.create(config(operator, supply=SUPPLY + 1), sender=operator)

    def test_an_unknown_capacity_has_none(self, project, factory, operator):
        with reverts_with(project.MockRevenueSource.UnknownCapacity, capacity=8):
            factory.create((8, SUPPLY, operator, [], ANY_BPS), sender=operator)

    @pytest.mark.parametrize("supply", [0, MAX_SUPPLY + 1, 2**255])
    def test_refuses_a_supply_out_of_range(self, project, factory, payee, usd, operator, supply):
        error = project.RevenueSplitterFactory.SupplyOutOfRange
        with reverts_with(error, supply=supply, max=MAX_SUPPLY):
            factory.predict(operator, CAPACITY, usd, supply)
        with reverts_with(error, supply=supply, max=MAX_SUPPLY):
            factory.create(config(operator, supply=supply), sender=operator)

    def test_refuses_legs_out_of_range(self, project, factory, payee, operator):
        errors, one = project.RevenueSplitter, (operator, 1, False)
        with reverts_with(errors.TooManyLegs, count=8, max=7):
            factory.create(config(operator, [one] * 8), sender=operator)
        with reverts_with(errors.TooManyLegs, count=8, max=7):
            factory.create(config(operator, [one] * 9), sender=operator)
        with reverts_with(errors.EmptyLeg, leg=1):
            factory.create(config(operator, [one, (operator, 0, True)]), sender=operator)
        with reverts_with(errors.LegsTakeTooMuch, bps=8_001, max=8_000):
            factory.create(config(operator, [(operator, 8_000, True), one]), sender=operator)
        with reverts_with(errors.LegsTakeTooMuch, bps=131_070, max=8_000):
            factory.create(config(operator, [(operator, 65_535, False)] * 2), sender=operator)

    def test_refuses_a_protocol_that_takes_more_than_agreed(
        self, project, factory, payee, operator, treasury, owner
    ):
        factory.setProtocolLeg(201, treasury, sender=owner)
        with reverts_with(project.RevenueSplitterFactory.ProtocolTakesTooMuch, bps=201, max=200):
            factory.create(config(operator, max_bps=200), sender=operator)


class TestProtocolLeg:
    def test_is_set_by_the_owner_and_says_so(self, project, factory, owner, treasury):
        receipt = factory.setProtocolLeg(1_000, treasury, sender=owner)
        assert logs(receipt, project.RevenueSplitterFactory.ProtocolLegSet) == [
            {"bps": 1_000, "recipient": treasury}
        ]
        assert tuple(factory.protocolLeg()) == (treasury, 1_000, True)
        factory.setProtocolLeg(0, ZERO, sender=owner)
        assert tuple(factory.protocolLeg()) == (ZERO, 0, True)

    @pytest.mark.parametrize("bps", [1_001, 10_000, 2**16, 2**255])
    def test_has_a_hard_cap(self, project, factory, owner, treasury, bps):
        with reverts_with(project.RevenueSplitterFactory.ProtocolTakesTooMuch, bps=bps, max=1_000):
            factory.setProtocolLeg(bps, treasury, sender=owner)

    def test_needs_a_recipient(self, project, factory, owner):
        with reverts_with(
            project.RevenueSplitterFactory.BadAddress,
            field=b"recipient".ljust(32, b"\0"),
            value=ZERO,
        ):
            factory.setProtocolLeg(1, ZERO, sender=owner)

    def test_is_nobody_elses_to_set(self, project, factory, stranger):
        with reverts_with(project.RevenueSplitterFactory.Unauthorized):
            factory.setProtocolLeg(1, stranger, sender=stranger)

    def test_changes_no_splitter_and_no_address(
        self, project, factory, payee, usd, operator, treasury, owner
    ):
        """A payee named before a change can still be made; one made before it keeps its legs."""
        factory.setProtocolLeg(1_000, treasury, sender=owner)
        assert factory.predict(operator, CAPACITY, usd, SUPPLY) == payee
        factory.create(config(operator), sender=operator)
        factory.setProtocolLeg(500, owner, sender=owner)
        splitter = project.RevenueSplitter.at(payee)
        assert tuple(splitter.legOf(0)) == (treasury, 1_000, True)
        assert tuple(splitter.legs()) == (1, 1_000)


class TestDividendTokens:
    @pytest.mark.parametrize("allowed", [True, False])
    def test_are_set_by_the_owner_and_said(self, project, factory, usd, owner, allowed):
        factory.setDividendToken(usd, not allowed, sender=owner)
        receipt = factory.setDividendToken(usd, allowed, sender=owner)
        assert logs(receipt, project.RevenueSplitterFactory.DividendTokenSet) == [
            {"token": usd, "allowed": allowed}
        ]
        assert factory.isDividendToken(usd) is allowed

    def test_are_contracts(self, project, factory, owner, stranger):
        for account in (ZERO, stranger.address):
            with reverts_with(
                project.RevenueSplitterFactory.BadAddress,
                field=b"token".ljust(32, b"\0"),
                value=account,
            ):
                factory.setDividendToken(account, True, sender=owner)

    def test_are_nobody_elses_to_set(self, project, factory, usd, stranger):
        with reverts_with(project.RevenueSplitterFactory.Unauthorized):
            factory.setDividendToken(usd, True, sender=stranger)


@pytest.mark.parametrize("name", ["RevenueSplitter", "RevenueSplitterFactory"])
def test_no_code_is_too_large(project, name):
    """A contract may have 24,576 bytes; the factory carries the splitter's code."""
    code = getattr(project, name).contract_type.runtime_bytecode.bytecode
    assert 0 < len(code.removeprefix("0x")) // 2 <= 24_576
