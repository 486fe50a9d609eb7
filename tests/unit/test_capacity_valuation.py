"""What shares are worth: the formula against exact arithmetic, and all that makes it invalid."""

from __future__ import annotations

from decimal import Decimal, getcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derrick.testing import isolated, reverts_with

getcontext().prec = 60

ZERO = "0x0000000000000000000000000000000000000000"
H100 = b"H100-SXM".ljust(32, b"\0")
WAD = 10**18
SUPPLY = 10**18
DAY, YEAR = 86_400, 365 * 86_400
INDEX_PRICE = 2_35000000
REVERTS = 1

CLASS = {
    "expectedUseBps": 7_000,
    "monthlyDeclineBps": 200,
    "annualDiscountBps": 1_500,
    "haircutBps": 2_000,
    "powerPrice": 8_000000,
}
MACHINES = {
    "hardwareClass": H100,
    "site": b"FRA1".ljust(8, b"\0"),
    "serviceKind": 0,
    "country": 276,
    "acceleratorsPerUnit": 8,
    "wattsPerUnit": 10_200,
    "pueBps": 12_000,
    "units": 64,
    "epochLength": DAY,
    "lifetimeEpochs": 1_460,
    "committedUptimeBps": 9_900,
    "blackoutCreditBps": 5_000,
    "priceFloorBps": 6_000,
    "attestorSet": 1,
    "tiers": [],
    "penaltyBelowBps": 0,
    "penaltyPerUnit": 0,
    "curtailmentEpochs": 0,
    "curtailmentCreditBps": 0,
}


@pytest.fixture(scope="module")
def world(project, owner, operator, chain):
    return World(project, owner, operator, chain.pending_timestamp)


class World:
    """A valuation over mocks: deeds and leases with set figures, shares, index and coin."""

    def __init__(self, project, owner, operator, now, decimals=6):
        self.owner, self.now = owner, now
        self.coin = owner.deploy(project.MockERC20, "Test Dollar", "TUSD", decimals)
        self.shares = owner.deploy(project.MockSplitter, self.coin, operator, SUPPLY)
        self.fleet = owner.deploy(project.MockFleet)
        self.feed = owner.deploy(project.HostileFeed)
        self.index = owner.deploy(project.ComputeIndex, owner)
        self.index.setFeed(H100, self.feed, 90 * DAY, sender=owner)
        self.valuation = owner.deploy(
            project.CapacityValuation, owner, self.fleet, self.fleet, self.index, self.shares
        )
        self.set_price(INDEX_PRICE)
        self.set_machines()
        self.set_class()

    def set_price(self, price):
        self.feed.setRound(price, self.now, sender=self.owner)

    def set_machines(self, **changes):
        config = {
            **MACHINES,
            "origin": self.now,
            "stablecoin": self.coin,
            "payee": self.shares,
            **changes,
        }
        self.fleet.setConfig(config, sender=self.owner)
        return config

    def set_class(self, **changes):
        return self.valuation.setClass(H100, {**CLASS, **changes}, sender=self.owner)

    def value(self, amount=SUPPLY):
        answer = self.valuation.value(self.shares, amount)
        return answer.assets, answer.valid


def annuity(machines, terms, time):
    """One dollar at the end of each epoch that has not begun, worth today."""
    length, origin = machines["epochLength"], machines["origin"]
    first = max(0, (time - origin) // length + 1) if time >= origin else 0
    kept = 1 - Decimal(terms["monthlyDeclineBps"]) / 10_000
    grown = 1 + Decimal(terms["annualDiscountBps"]) / 10_000
    fade = -12 * kept.ln() + grown.ln()
    begins = origin + first * length
    # A geometric series, and what its first payment is still away.
    ratio = (-fade * length / YEAR).exp()
    count = max(0, machines["lifetimeEpochs"] - first)
    series = ratio * (1 - ratio**count) / (1 - ratio)
    return series * (-fade * (begins - time) / YEAR).exp()


def worth(machines, terms, time, price=INDEX_PRICE, legs=0, units=0, rate=Decimal(0)):
    """The whole formula in USD, as the protocol writes it."""
    hours = Decimal(machines["epochLength"]) / 3_600
    use = Decimal(terms["expectedUseBps"]) / 10_000
    floor = Decimal(machines["priceFloorBps"]) / 10_000
    rent = Decimal(price) / 10**8 * machines["acceleratorsPerUnit"] * hours * floor
    kilowatts = Decimal(machines["wattsPerUnit"]) * machines["pueBps"] / 10_000 / 1_000
    energy = kilowatts * hours * Decimal(terms["powerPrice"]) / 10**8
    free = max(Decimal(0), rent * use - energy)
    leased = max(Decimal(0), min(rent, rate / units if units else rent) * use - energy)
    net = (machines["units"] - units) * free + units * leased
    kept = (1 - Decimal(legs) / 10_000) * (1 - Decimal(terms["haircutBps"]) / 10_000)
    return net * annuity(machines, terms, time) * kept


class TestFormula:
    def test_by_hand(self, world, lane):
        """64 nodes of 8 H100 in Frankfurt, a thousand days to go: 5.26 million dollars."""
        machines = world.set_machines(lifetimeEpochs=1_000)
        appraisal = world.valuation.appraise(world.shares)
        # 2.35 x 8 x 24 x 60 % a unit and day; 10.2 kW x 1.2 x 24 h x 0.08.
        assert appraisal.priceWad == 270_720 * 10**15
        assert appraisal.energyWad == 23_500_800 * 10**12
        assert appraisal.netWad == 64 * (189_504 - 23_500.8) * 10**15
        assert 600 * WAD < appraisal.annuityWad < 700 * WAD
        assert world.value() == (appraisal.assets, True)
        assert 5_200_000 < appraisal.assets / 10**6 < 5_300_000
        assert appraisal.assets / 10**6 == pytest.approx(
            float(worth(machines, CLASS, lane.time)), rel=1e-9
        )

    def test_a_part_is_its_part(self, world):
        whole, _ = world.value()
        assert world.value(SUPPLY // 4) == (whole // 4, True)
        assert world.value(0) == (0, True)
        assert world.value(1) == (0, True)

    def test_legs_come_first(self, world, owner, lane):
        world.shares.setLegs(3_500, sender=owner)
        machines = world.set_machines()
        assert world.value()[0] / 10**6 == pytest.approx(
            float(worth(machines, CLASS, lane.time, legs=3_500)), rel=1e-9
        )

    def test_a_dear_lease_to_oneself_adds_nothing(self, world, owner, lane):
        machines = world.set_machines()
        world.fleet.setLeased(5, 10**15, 10, sender=owner)
        appraisal = world.valuation.appraise(world.shares)
        assert (appraisal.leasedUnits, appraisal.rentWad) == (10, 10**8 * WAD)
        assert appraisal.assets / 10**6 == pytest.approx(
            float(worth(machines, CLASS, lane.time)), rel=1e-9
        )

    def test_a_cheap_lease_counts_at_its_rent(self, world, owner, lane):
        """The index has risen since it was signed."""
        machines = world.set_machines()
        world.fleet.setLeased(5, 40 * 200 * 10**6, 40, sender=owner)
        assert world.valuation.appraise(world.shares).rentWad == 200 * WAD
        assert world.value()[0] / 10**6 == pytest.approx(
            float(worth(machines, CLASS, lane.time, units=40, rate=Decimal(8_000))), rel=1e-9
        )

    def test_a_lease_below_the_power_bill_counts_nothing(self, world, owner, lane):
        machines = world.set_machines()
        world.fleet.setLeased(5, 10**6, 64, sender=owner)
        assert worth(machines, CLASS, lane.time, units=64, rate=Decimal(1)) == 0
        assert world.value() == (0, True)

    def test_a_price_below_the_power_bill_is_worth_nothing(self, world):
        world.set_price(1_000000)
        assert world.value() == (0, True)

    def test_the_end_of_life(self, world, lane):
        machines = world.set_machines(lifetimeEpochs=10)
        end = machines["origin"] + 9 * DAY
        lane.mine(at=end - 1)
        assert world.value()[0] > 0
        lane.mine(at=end)
        assert world.value() == (0, True)
        lane.mine(at=end + 100 * DAY)
        world.feed.setRound(INDEX_PRICE, lane.time, sender=world.owner)
        assert world.value() == (0, True)

    def test_it_never_rises_by_waiting(self, world, lane):
        machines = world.set_machines(lifetimeEpochs=100)
        values = []
        for seconds in range(0, 4 * DAY, DAY // 3):
            lane.mine(at=machines["origin"] + 100 + seconds)
            values.append(world.value()[0])
        # Within an epoch the wait for the next shortens; over a whole one the value falls.
        assert all(later < now for now, later in zip(values, values[3:], strict=False))

    def test_before_the_origin_it_waits(self, world, lane):
        machines = world.set_machines(origin=lane.time + 300 * DAY)
        assert world.value()[0] / 10**6 == pytest.approx(
            float(worth(machines, CLASS, lane.time)), rel=1e-9
        )

    @given(
        price=st.integers(min_value=1, max_value=10**12),
        units=st.integers(min_value=1, max_value=32_767),
        accelerators=st.integers(min_value=1, max_value=4_096),
        watts=st.integers(min_value=1, max_value=10**7),
        pue=st.integers(min_value=10_000, max_value=30_000),
        length=st.integers(min_value=3_600, max_value=7 * DAY),
        lifetime=st.integers(min_value=1, max_value=131_071),
        elapsed=st.integers(min_value=-300, max_value=10**6),
        floor=st.integers(min_value=1, max_value=10_000),
        leased=st.integers(min_value=0, max_value=32_767),
        rent=st.integers(min_value=1, max_value=10**13),
        legs=st.integers(min_value=0, max_value=9_000),
        use=st.integers(min_value=1, max_value=10_000),
        decline=st.integers(min_value=0, max_value=2_000),
        discount=st.integers(min_value=100, max_value=10_000),
        haircut=st.integers(min_value=0, max_value=9_000),
        power=st.integers(min_value=0, max_value=5 * 10**8),
    )
    def test_never_above_exact_arithmetic(
        self,
        world,
        lane,
        price,
        units,
        accelerators,
        watts,
        pue,
        length,
        lifetime,
        elapsed,
        floor,
        leased,
        rent,
        legs,
        use,
        decline,
        discount,
        haircut,
        power,
    ):
        """Rounded down in the lenders' favour, and by next to nothing."""
        leased = min(leased, units)
        with isolated(lane):
            now = lane.time + 10
            machines = world.set_machines(
                units=units,
                acceleratorsPerUnit=accelerators,
                wattsPerUnit=watts,
                pueBps=pue,
                epochLength=length,
                lifetimeEpochs=lifetime,
                origin=now - elapsed,
                priceFloorBps=floor,
            )
            terms = {
                "expectedUseBps": use,
                "monthlyDeclineBps": decline,
                "annualDiscountBps": discount,
                "haircutBps": haircut,
                "powerPrice": power,
            }
            world.set_class(**terms)
            world.set_price(price)
            world.fleet.setLeased(1, leased * rent, leased, sender=world.owner)
            world.shares.setLegs(legs, sender=world.owner)
            assets, valid = world.value()
            exact = worth(
                machines,
                terms,
                lane.time,
                price,
                legs,
                leased,
                Decimal(leased * rent) / 10**6,
            )
            assert valid
            assert assets <= exact * 10**6
            gross = worth(
                machines,
                {**terms, "powerPrice": 0},
                lane.time,
                price,
                legs,
                leased,
                Decimal(leased * rent) / 10**6,
            )
            # Eleven digits of what the power bill is taken off, and two units.
            assert exact * 10**6 - assets <= 2 + gross * 10**6 / 10**11


class TestDecimals:
    @pytest.mark.parametrize("decimals", [2, 18])
    def test_other_coins(self, project, owner, operator, chain, lane, decimals):
        world = World(project, owner, operator, chain.pending_timestamp, decimals)
        machines = world.set_machines()
        assert world.value()[0] / 10**decimals == pytest.approx(
            float(worth(machines, CLASS, lane.time)), rel=1e-9
        )


class TestInvalid:
    def refused(self, world, error, **inputs):
        assert world.value() == (0, False)
        with reverts_with(error, **inputs):
            world.valuation.appraise(world.shares)

    def test_no_price_floor(self, world):
        world.set_machines(priceFloorBps=0)
        self.refused(world, world.valuation.NoPriceFloor, capacity=1)

    def test_an_unknown_class(self, world):
        world.set_machines(hardwareClass=b"X".ljust(32, b"\0"))
        self.refused(world, world.valuation.ClassUnknown, hardwareClass=b"X".ljust(32, b"\0"))

    def test_a_stale_index(self, world, lane):
        lane.mine(at=world.now + 90 * DAY + 1)
        self.refused(world, world.valuation.IndexInvalid, hardwareClass=H100)

    def test_a_broken_index(self, world, owner):
        world.feed.setMood(REVERTS, sender=owner)
        self.refused(world, world.valuation.IndexInvalid, hardwareClass=H100)

    def test_a_strange_splitter(self, world, owner):
        world.shares.setPair(False, world.coin, world.shares, world.coin, sender=owner)
        self.refused(world, world.valuation.NotSplitter, token=world.shares)

    def test_another_payee(self, world, stranger):
        world.set_machines(payee=stranger)
        self.refused(
            world,
            world.valuation.NotPayee,
            collateral=world.shares,
            payee=stranger,
            stablecoin=world.coin,
        )

    def test_another_stablecoin(self, world, stranger):
        world.set_machines(stablecoin=stranger)
        self.refused(
            world,
            world.valuation.NotPayee,
            collateral=world.shares,
            payee=world.shares,
            stablecoin=stranger,
        )

    def test_more_shares_than_there_are(self, world):
        assert world.value(SUPPLY + 1) == (0, False)

    def test_a_token_that_is_none(self, world, stranger):
        answer = world.valuation.value(stranger, 1)
        assert (answer.assets, answer.valid) == (0, False)

    def test_figures_that_overflow(self, world):
        """Units beyond the mock's own: more leased than there are."""
        world.fleet.setLeased(1, 10, 65, sender=world.owner)
        assert world.value() == (0, False)


class TestOwner:
    def test_class(self, world, owner):
        receipt = world.set_class(expectedUseBps=1)
        (event,) = receipt.decode_logs(world.valuation.ClassSet)
        assert (event.hardwareClass, list(event.terms)) == (
            H100,
            [1, 200, 1_500, 2_000, 8_000000],
        )
        terms = world.valuation.classOf(H100)
        assert (terms.expectedUseBps, terms.powerPrice) == (1, 8_000000)

    def test_owner_only(self, world, stranger):
        with reverts_with("Unauthorized()"):
            world.valuation.setClass(H100, CLASS, sender=stranger)

    @pytest.mark.parametrize(
        ("field", "value", "low", "high"),
        [
            ("expectedUseBps", 0, 1, 10_000),
            ("expectedUseBps", 10_001, 1, 10_000),
            ("monthlyDeclineBps", 2_001, 0, 2_000),
            ("annualDiscountBps", 99, 100, 10_000),
            ("annualDiscountBps", 10_001, 100, 10_000),
            ("haircutBps", 9_001, 0, 9_000),
            ("powerPrice", 5 * 10**8 + 1, 0, 5 * 10**8),
        ],
    )
    def test_constants_out_of_range(self, world, field, value, low, high):
        with reverts_with(
            world.valuation.OutOfRange,
            field=field.encode().ljust(32, b"\0"),
            value=value,
            min=low,
            max=high,
        ):
            world.set_class(**{field: value})

    @pytest.mark.parametrize("missing", range(5))
    def test_every_address_must_be_set(self, project, world, owner, missing):
        arguments = [owner, world.fleet, world.fleet, world.index, world.shares]
        arguments[missing] = ZERO
        name = ("owner", "capacity", "lease", "index", "splitters")[missing]
        with reverts_with(
            project.CapacityValuation.BadAddress,
            field=name.encode().ljust(32, b"\0"),
            value=ZERO,
        ):
            owner.deploy(project.CapacityValuation, *arguments)
