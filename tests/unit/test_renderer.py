"""What deeds and leases draw of themselves: every figure against the state, and hostile strings."""

from __future__ import annotations

from datetime import datetime, timezone
from xml.etree import ElementTree

import pytest

from derrick.cards import SVG, Card, sheet
from derrick.market import (
    DAY,
    HOUR,
    LEASES_PER_CAPACITY,
    MAX_UINT256,
    NOBODY,
    Term,
    ascii_bytes,
)
from derrick.testing import reverts_with

PRICE = 400_000_000
FIRST = LEASES_PER_CAPACITY + 1
ROLLING, SPOT = 2, 3
"""Terms of the stage: paid two epochs ahead with a deposit of three, and preemptible."""

CODE_LIMIT = 24_576
"""Bytes of a contract, EIP-170."""

HOSTILE = [
    b"\"><script>alert('x')</script>",
    b"</title></svg><svg onload=alert(1)>"[:32],
    b'\\", "name": "fake", "x": "',
    b"&amp;&lt;&#x3c;&quot;",
    b"]]><![CDATA[<!ENTITY x SYSTEM>",
    b"line\nbreak\ttab\rreturn\x01\x1f\x7f",
    b"\xff\xfe\xc3\x28\xed\xa0\x80\xf4\x90",
    "§ § § §".encode(),
    "\u202egnp.exe ₮".encode(),
    b"a\x00b",
    b" ",
    b"W" * 32,
    b"\x80" * 32,
]


def shown(raw: bytes) -> str:
    """What a card makes of a foreign name: printable ASCII, a question mark for anything else."""
    kept = (char for char in raw if char & 0xC0 != 0x80)
    return "".join(chr(char) if 0x20 <= char <= 0x7E else "?" for char in kept)


def moment(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, timezone.utc).strftime("%Y-%m-%d %H:%M")


@pytest.fixture(scope="module")
def stage(bench):
    """The bench with two terms more."""
    for term in (Term(1, 365, 10_000, 2, 3), Term(1, 365, 5_000, preemptible=True)):
        bench.capacity.addTerm(1, term, sender=bench.operator)
    return bench


def lease_card(stage, lease: int = FIRST) -> Card:
    card = Card.of(stage.lease.tokenURI(lease))
    assert_readable(card)
    return card


def deed_card(stage, capacity: int = 1) -> Card:
    card = Card.of(stage.capacity.tokenURI(capacity))
    assert_readable(card)
    return card


def assert_readable(card: Card) -> None:
    """Only known elements, no text wider than its place, and none too small to read in most cases.

    0.6 of its size is what a letter takes on average at most, wherever text can be long.
    """
    names = {element.tag.removeprefix(SVG) for element in card.tree.iter()}
    assert names == {"svg", "title", "rect", "text", "g", "path"}
    assert card.tree.findtext(SVG + "title") == card.name
    for element in card.texts:
        size = int(element.get("font-size", "12"))
        assert size >= 1
        room = 162 if element.get("class") == "figure" else 264
        assert len(element.text or "") * size * 0.6 <= room or size <= 12
        if element.get("class") == "figure" or element.get("id") == "title":
            assert len(element.text or "") * size * 0.6 <= room


# ---- leases


def test_a_forward(stage, tenant):
    lease = stage.sign_lease(tenant)
    card = lease_card(stage, lease)
    start, end = stage.origin + 2 * DAY, stage.origin + 12 * DAY
    assert card.name == f"Compute lease {lease}: 10 units of H100-SXM-80GB"
    assert card.description == (
        "The right to 10 units of H100-SXM-80GB, 8 accelerators each, of Derrick capacity 1"
        f" (country 840, site OK-1), from {moment(start)} to {moment(end)} UTC."
        " Whoever holds this token is the tenant; unclaimed credits go with it."
    )
    assert card.traits == {
        "State": "FORWARD",
        "Capacity": 1,
        "Hardware class": "H100-SXM-80GB",
        "Units": 10,
        "Accelerators per unit": 8,
        "Country (ISO 3166-1)": "840",
        "Site": "OK-1",
        "Epoch": "1 day",
        "Start": start,
        "End": end,
        "Paid until": end,
        "Run": "0.00 %",
        "Paid": "100.00 %",
        "Spot": "no",
        "User": "its holder",
        "Rent per unit and epoch": "400.00 USD",
        "Rent per epoch": "4,000.00 USD",
        "Rent in base units": "400000000",
        "Coin": stage.coin.address,
        "Service so far": "nothing settled yet",
        "Settled epochs": 0,
    }
    assert card.text("state") == "FORWARD"
    assert card.badges == []
    assert card.text("title") == "H100-SXM-80GB"
    assert card.text("size") == "10 units × 8 accelerators"
    assert card.text("place") == "country 840, site OK-1"
    assert card.text("dates") == f"{moment(start)} – {moment(end)} UTC"
    assert (card.share_bps("run"), card.share_bps("paid")) == (0, 10_000)
    assert (card.text("left"), card.text("right")) == ("0 % run", "100 % paid")
    assert card.figures == {
        "Rent per unit": "400.00 USD per day",
        "Rent in all": "4,000.00 USD per day",
        "Service so far": "nothing settled yet",
        "Paid until": moment(end),
        "Used by": "its holder",
    }


@pytest.mark.parametrize(
    ("second", "state", "run"),
    [
        (2 * DAY - 1, "FORWARD", 0),
        (2 * DAY, "RUNNING", 0),
        (2 * DAY + 86, "RUNNING", 0),
        (2 * DAY + 87, "RUNNING", 1),
        (7 * DAY + HOUR, "RUNNING", 5_041),
        (12 * DAY - 1, "RUNNING", 9_999),
        (12 * DAY, "ENDED", 10_000),
        (500 * DAY, "ENDED", 10_000),
    ],
)
def test_the_term_runs_by_the_second(stage, tenant, second, state, run):
    lease = stage.sign_lease(tenant)
    stage.lane.mine(at=stage.origin + second)
    card = lease_card(stage, lease)
    assert card.text("state") == card.traits["State"] == state
    assert card.share_bps("run") == run
    assert card.traits["Run"] == f"{run / 100:.2f} %"
    assert card.text("left") == f"{run // 100} % run"


@pytest.mark.parametrize(
    ("epoch", "state", "run"),
    [
        (1, "FORWARD", 0),
        (2, "RUNNING", 0),
        (3, "PAYMENT DUE", 1_000),
        (4, "LAPSED", 2_000),
        (50, "LAPSED", 2_000),
    ],
)
def test_a_lease_paid_in_part_runs_until_it_lapses(stage, tenant, epoch, state, run):
    lease = stage.sign_lease(tenant, term=ROLLING)
    stage.go_to_epoch(epoch)
    card = lease_card(stage, lease)
    assert card.text("state") == card.traits["State"] == state
    assert (card.share_bps("run"), card.share_bps("paid")) == (run, 2_000)
    assert (card.text("right"), card.traits["Paid"]) == ("20 % paid", "20.00 %")
    assert card.figures["Paid until"] == moment(stage.origin + 4 * DAY)
    assert card.traits["Paid until"] == stage.origin + 4 * DAY


def test_paying_on_takes_the_warning_away(stage, owner, tenant):
    lease = stage.sign_lease(tenant, term=ROLLING)
    stage.go_to_epoch(3)
    assert lease_card(stage, lease).text("state") == "PAYMENT DUE"
    stage.coin.mint(tenant, 10**12, sender=owner)
    stage.coin.approve(stage.lease, 10**12, sender=tenant)
    stage.lease.topUp(lease, 1, sender=tenant)
    card = lease_card(stage, lease)
    assert (card.text("state"), card.share_bps("paid")) == ("RUNNING", 3_000)
    # With the last four, the deposit pays the end, and no payment is ever due again.
    stage.lease.topUp(lease, 4, sender=tenant)
    stage.go_to_epoch(11)
    card = lease_card(stage, lease)
    assert (card.text("state"), card.share_bps("paid")) == ("RUNNING", 10_000)


def test_a_closed_lapse_stands_as_ended(stage, tenant, stranger):
    lease = stage.sign_lease(tenant, term=ROLLING)
    stage.go_to_epoch(4)
    stage.lease.lapse(lease, sender=stranger)
    card = lease_card(stage, lease)
    assert card.text("state") == "ENDED"
    assert (card.share_bps("run"), card.share_bps("paid")) == (10_000, 10_000)
    assert card.traits["End"] == stage.origin + 4 * DAY


def test_a_spot_lease_with_a_user(stage, tenant, other_tenant):
    lease = stage.sign_lease(tenant, term=SPOT)
    assert lease_card(stage, lease).badges == ["SPOT"]
    expires = stage.origin + 5 * DAY
    stage.lease.setUser(lease, other_tenant, expires, sender=tenant)
    card = lease_card(stage, lease)
    address = other_tenant.address
    assert card.badges == ["SPOT", "USER"]
    assert card.figures["Used by"] == brief(address)
    assert card.traits["User"] == address
    assert card.traits["Used until"] == expires
    assert card.traits["Spot"] == "yes"
    assert card.traits["Rent per unit and epoch"] == "200.00 USD"
    stage.lane.mine(at=expires)
    assert lease_card(stage, lease).badges == ["SPOT", "USER"]
    stage.lane.mine(at=expires + 1)
    card = lease_card(stage, lease)
    assert card.badges == ["SPOT"]
    assert card.traits["User"] == "its holder"
    assert "Used until" not in card.traits


def test_a_holder_who_is_his_own_user_is_no_user(stage, tenant, other_tenant):
    lease = stage.sign_lease(tenant)
    stage.lease.setUser(lease, tenant, stage.origin + 5 * DAY, sender=tenant)
    assert lease_card(stage, lease).badges == []
    stage.lease.transferFrom(tenant, other_tenant, lease, sender=tenant)
    card = lease_card(stage, lease)
    assert card.badges == ["USER"]
    assert card.traits["User"] == tenant.address


def test_service_is_the_share_of_rent_that_stayed_due(stage, tenant):
    """On average over its settled epochs, rounded down; those before it do not count."""
    early = stage.sign_lease(tenant, start=0, end=5)
    late = stage.sign_lease(tenant, start=1, end=3)
    shares = []
    for epoch, uptime in enumerate((9_400, 10_000, 9_950, 10_000, 9_900)):
        stage.settle(epoch, uptime)
        shares.append(
            [
                (card.figures["Service so far"].removesuffix(" of rent due"), settled)
                for card in (lease_card(stage, early), lease_card(stage, late))
                for settled in [card.traits["Settled epochs"]]
            ]
        )
    assert shares == [
        [("0.00 %", 1), ("nothing settled yet", 0)],
        [("50.00 %", 2), ("100.00 %", 1)],
        [("63.33 %", 3), ("95.00 %", 2)],
        [("72.50 %", 4), ("95.00 %", 2)],
        [("76.00 %", 5), ("95.00 %", 2)],
    ]
    stage.lease.claimCredit(early, tenant, sender=tenant)
    assert lease_card(stage, early).traits["Service so far"] == "76.00 % of rent due"


def test_one_unit_of_one_accelerator(stage, tenant, operator):
    capacity = register(stage, acceleratorsPerUnit=1, epoch_length=90 * 60)
    lease = stage.sign_lease(tenant, capacity=capacity, units=1)
    card = lease_card(stage, lease)
    assert card.text("size") == "1 unit × 1 accelerator"
    assert card.figures["Rent per unit"] == "400.00 USD per 90 minutes"
    assert card.traits["Start"] == stage.origin + 2 * 90 * 60


def test_an_unknown_lease_has_no_card(stage, tenant):
    with reverts_with(stage.lease.UnknownLease, lease=FIRST):
        stage.lease.tokenURI(FIRST)
    lease = stage.sign_lease(tenant)
    stage.lease.terminate(lease, sender=tenant)
    with reverts_with(stage.lease.UnknownLease, lease=lease):
        stage.lease.tokenURI(lease)


# ---- deeds


def register(stage, price: int = PRICE, attested: int | None = None, **changes) -> int:
    """Another capacity of the operator, with its units attested. Answers its id."""
    changes["accelerators_per_unit"] = changes.pop("acceleratorsPerUnit", 8)
    config = stage.config._replace(**changes)
    capacity = stage.capacity.nextCapacity()
    terms = [Term(1, 365, 10_000)]
    stage.capacity.register(config, terms, price, stage.operator, sender=stage.operator)
    stage.attest_units(capacity, config.units if attested is None else attested)
    return int(capacity)


def test_a_deed(stage):
    card = deed_card(stage)
    end = stage.origin + 1_000 * DAY
    assert card.name == "Compute capacity 1: 100 units of H100-SXM-80GB"
    assert card.description == (
        "The deed of 100 units of H100-SXM-80GB, 8 accelerators each (country 840, site OK-1)."
        " Whoever owns it sets price and terms and takes new leases or none; the rent goes to the"
        " payee named at registration."
    )
    assert card.traits == {
        "State": "OPEN",
        "Service": "TRAINING",
        "Hardware class": "H100-SXM-80GB",
        "Units": 100,
        "Units attested": 100,
        "Accelerators per unit": 8,
        "Country (ISO 3166-1)": "840",
        "Site": "OK-1",
        "Epoch": "1 day",
        "Start": stage.origin,
        "End": end,
        "Run": "0.00 %",
        "Price per unit and epoch": "400.00 USD",
        "Coin": stage.coin.address,
        "Power at full load": "1,275 kW",
        "PUE": "1.25",
        "Uptime promised": "99.90 %",
    }
    assert card.text("state") == "OPEN"
    assert card.badges == ["TRAINING"]
    assert card.text("size") == "100 units × 8 accelerators"
    assert (card.text("left"), card.text("right")) == ("0 % of its life", "epochs of 1 day")
    assert card.text("dates") == f"{moment(stage.origin)} – {moment(end)} UTC"
    assert card.figures == {
        "Units attested": "100 of 100",
        "Accelerators": "800 of 800",
        "Power at full load": "1,275 kW",
        "Uptime promised": "99.90 %",
        "Price per unit": "400.00 USD",
    }


def test_a_deed_says_what_is_attested_not_what_is_claimed(stage):
    capacity = register(
        stage, attested=1_234, units=32_767, watts_per_unit=1_001, service_kind=2, country=4
    )
    card = deed_card(stage, capacity)
    assert card.badges == ["EDGE"]
    assert card.text("place") == "country 004, site OK-1"
    assert card.figures["Units attested"] == "1,234 of 32,767"
    assert card.figures["Accelerators"] == "9,872 of 262,136"
    assert card.figures["Power at full load"] == "40,999.708 kW"
    assert card.traits["Units attested"] == 1_234


@pytest.mark.parametrize(
    ("second", "opened", "state", "run"),
    [
        (0, True, "OPEN", 0),
        (250 * DAY, True, "OPEN", 2_500),
        (250 * DAY, False, "CLOSED", 2_500),
        (1_000 * DAY - 1, True, "OPEN", 9_999),
        (1_000 * DAY, True, "ENDED", 10_000),
        (2_000 * DAY, False, "ENDED", 10_000),
    ],
)
def test_a_deed_is_open_closed_or_over(stage, second, opened, state, run):
    if not opened:
        stage.capacity.setOpen(1, False, sender=stage.operator)
    stage.lane.mine(at=stage.origin + second)
    card = deed_card(stage)
    assert card.text("state") == card.traits["State"] == state
    assert card.share_bps("run") == run
    assert card.text("left") == f"{run // 100} % of its life"


def test_a_deed_says_that_it_is_paused(stage, owner):
    stage.telemetry.setGuardian(owner, sender=owner)
    stage.capacity.pause(1, sender=owner)
    assert deed_card(stage).text("state") == "PAUSED"
    stage.capacity.unpause(1, sender=owner)
    assert deed_card(stage).text("state") == "OPEN"


def test_a_module_stands_in_for_the_price(stage):
    """It is only named, never asked: any address will do."""
    module = stage.coin.address
    stage.capacity.setPricing(1, module, sender=stage.operator)
    card = deed_card(stage)
    assert card.figures["Price per unit"] == f"by module {brief(module)}"
    stage.capacity.setPricing(1, NOBODY, sender=stage.operator)
    assert deed_card(stage).figures["Price per unit"] == "400.00 USD"


def test_an_unknown_deed_has_no_card(stage):
    with reverts_with(stage.capacity.UnknownCapacity, capacity=2):
        stage.capacity.tokenURI(2)


# ---- what somebody else controls


@pytest.mark.parametrize("name", HOSTILE)
def test_foreign_names_stay_text(stage, tenant, name):
    capacity = register(stage, hardware_class=name.ljust(32, b"\0"), site=name[:8].ljust(8, b"\0"))
    hardware, site = (shown(size.partition(b"\0")[0]) for size in (name, name[:8]))
    deed = deed_card(stage, capacity)
    lease = lease_card(stage, stage.sign_lease(tenant, capacity=capacity))
    for card in (deed, lease):
        assert card.text("title") == card.traits["Hardware class"] == hardware
        assert card.traits["Site"] == site
        assert card.text("place") == f"country 840, site {site}"
        assert card.name.endswith(f" units of {hardware}")
        assert hardware in card.description
        assert len(card.figures) == 5


@pytest.mark.parametrize("symbol", [*HOSTILE, "USD₮0".encode(), b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"])
def test_foreign_symbols_stay_text(stage, tenant, symbol):
    """Their first 16 bytes; one of which nothing is left counts as none."""
    with_coin(stage, tenant, string_answer(symbol), MAX_UINT256.to_bytes(32, "big"))
    name = shown(symbol[:16]) or brief(stage.coin.address)
    card = lease_card(stage)
    assert card.traits["Rent in base units"] == str(PRICE)
    assert card.traits["Rent per unit and epoch"] == f"400,000,000 base units of {name}"
    assert deed_card(stage).figures["Price per unit"] == f"400,000,000 base units of {name}"


def brief(address: str) -> str:
    return f"{address[:6]}…{address[-4:]}"


def string_answer(data: bytes) -> bytes:
    """A string as a contract returns it."""
    padded = data.ljust(-(-len(data) // 32) * 32, b"\0")
    return (32).to_bytes(32, "big") + len(data).to_bytes(32, "big") + padded


def program(symbol: bytes, decimals: bytes) -> bytes:
    """A contract that answers `symbol()` with these bytes and anything else with the others."""

    def answer(size: int, offset: int) -> bytes:
        # PUSH2 size PUSH2 offset PUSH0 CODECOPY PUSH2 size PUSH0 RETURN
        length = size.to_bytes(2, "big")
        return (
            b"\x61"
            + length
            + b"\x61"
            + offset.to_bytes(2, "big")
            + b"\x5f\x39\x61"
            + length
            + b"\x5f\xf3"
        )

    # PUSH0 CALLDATALOAD PUSH1 224 SHR PUSH4 symbol() EQ PUSH2 there JUMPI
    head = b"\x5f\x35\x60\xe0\x1c\x63" + bytes.fromhex("95d89b41") + b"\x14\x61"
    size = len(answer(0, 0))
    there = len(head) + 2 + 1 + size
    data = there + 1 + size
    return (
        head
        + there.to_bytes(2, "big")
        + b"\x57"
        + answer(len(decimals), data + len(symbol))
        + b"\x5b"
        + answer(len(symbol), data)
        + symbol
        + decimals
    )


def with_coin(stage, tenant, symbol: bytes, decimals: bytes) -> None:
    """Sign a lease, then let the coin become one that gives these answers."""
    stage.sign_lease(tenant)
    set_code(stage, program(symbol, decimals))


def set_code(stage, code: bytes) -> None:
    stage.lane.node.request("anvil_setCode", stage.coin.address, "0x" + code.hex())


def test_a_coin_with_a_symbol_of_32_bytes(stage, tenant):
    with_coin(stage, tenant, ascii_bytes("MKR", 32), (18).to_bytes(32, "big"))
    assert lease_card(stage).traits["Rent per unit and epoch"] == "0.0000000004 MKR"


@pytest.mark.parametrize(
    ("decimals", "amount"),
    [
        (0, "400,000,000"),
        (1, "40,000,000.0"),
        (2, "4,000,000.00"),
        (8, "4.00"),
        (9, "0.40"),
        (18, "0.0000000004"),
    ],
)
def test_amounts_are_exact(stage, tenant, decimals, amount):
    with_coin(stage, tenant, string_answer(b"COIN"), decimals.to_bytes(32, "big"))
    assert lease_card(stage).traits["Rent per unit and epoch"] == f"{amount} COIN"


MUTE = "base units of {coin}"
DUMB_COINS = {
    "none any more": (b"", MUTE),
    "PUSH0 PUSH0 REVERT": (b"\x5f\x5f\xfd", MUTE),
    "INVALID, which burns all gas": (b"\xfe", MUTE),
    "JUMPDEST PUSH0 JUMP, without end": (b"\x5b\x5f\x56", MUTE),
    "an empty answer": (b"\x5f\x5f\xf3", MUTE),
    "31 zeros": (b"\x60\x1f\x5f\xf3", MUTE),
    "65,535 zeros, so no decimals": (b"\x61\xff\xff\x5f\xf3", "{coin}"),
    "65,535 zeros as a revert": (b"\x61\xff\xff\x5f\xfd", MUTE),
    "lengths beyond all bounds": (
        b"\x5f\x19\x5f\x52\x60\x40\x5f\xf3",
        "base units of " + 16 * "?",
    ),
}
"""What it does whatever it is asked, as code, and by which name its amounts go then."""


@pytest.mark.parametrize("kind", DUMB_COINS)
def test_a_coin_that_does_not_answer_goes_by_its_address(stage, tenant, kind):
    code, words = DUMB_COINS[kind]
    lease = stage.sign_lease(tenant)
    set_code(stage, code)
    amount = "400,000,000 " + words.format(coin=brief(stage.coin.address))
    card, deed = lease_card(stage, lease), deed_card(stage)
    assert card.traits["Rent per unit and epoch"] == amount
    assert deed.traits["Price per unit and epoch"] == deed.figures["Price per unit"] == amount
    assert card.traits["Rent in base units"] == str(PRICE)
    assert card.traits["Coin"] == stage.coin.address


@pytest.mark.parametrize("kind", ["a good coin", "JUMPDEST PUSH0 JUMP, without end"])
def test_no_node_runs_out_of_gas(stage, tenant, kind):
    """Three million do, a tenth of what nodes allow a call at least."""
    lease = stage.sign_lease(tenant)
    if kind in DUMB_COINS:
        set_code(stage, DUMB_COINS[kind][0])
    for contract, number in ((stage.lease, lease), (stage.capacity, 1)):
        data = contract.tokenURI.encode_input(number).hex()
        message = {"to": contract.address, "data": data, "gas": hex(3_000_000)}
        assert len(stage.lane.node.request("eth_call", message, "latest")) > 10_000


def test_long_figures_shrink_until_they_fit(stage, owner, tenant):
    """The largest rent there is, in a coin of 18 decimals; `assert_readable` has the ruler."""
    price = 2**82
    coin = stage.project.MockERC20.deploy("Long", "ABCDEFGHIJKLMNOP", 18, sender=owner)
    stage.stablecoins.setStablecoin(coin, True, sender=owner)
    capacity = register(
        stage, price=price, units=32_767, stablecoin=coin.address, watts_per_unit=10_000_000
    )
    total = price * 32_767
    request = stage.request(tenant, capacity=capacity, units=32_767, start=2, end=3, max_rent=2**88)
    coin.mint(tenant, total, sender=owner)
    coin.approve(stage.lease, total, sender=tenant)
    lease = stage.lease.lease(request, sender=tenant).return_value
    card = lease_card(stage, lease)
    whole, part = divmod(total, 10**18)
    assert card.figures["Rent in all"] == f"{whole:,}.{part:018d}".rstrip("0") + (
        " ABCDEFGHIJKLMNOP per day"
    )
    assert deed_card(stage, capacity).figures["Power at full load"] == "409,587,500 kW"


# ---- limits, and the sheet


def test_a_sheet_shows_every_card_twice(stage, tenant):
    cards = [lease_card(stage, stage.sign_lease(tenant)), deed_card(stage)]
    for columns in (1, 2, 3):
        tree = ElementTree.fromstring(sheet(cards, columns))
        titles = [element.text for element in tree.iter(SVG + "title")]
        assert titles == [card.name for card in cards] * 2
        places = {(each.get("x"), each.get("y")) for each in tree.findall(SVG + "svg")}
        assert len(places) == 4


@pytest.mark.parametrize(
    "uri", ["", "ipfs://x", "data:application/json;base64,e30=", "data:application/json;base64,?"]
)
def test_what_is_no_card_is_not_read_as_one(uri):
    with pytest.raises((ValueError, KeyError)):
        Card.of(uri)


@pytest.mark.parametrize("name", ["LeaseRenderer", "DeedRenderer"])
def test_renderers_fit_into_a_contract(project, name):
    code = getattr(project, name).contract_type.deployment_bytecode.bytecode
    runtime = getattr(project, name).contract_type.runtime_bytecode.bytecode
    assert 0 < len(bytes.fromhex(runtime.removeprefix("0x"))) <= CODE_LIMIT
    assert len(code) > len(runtime)
