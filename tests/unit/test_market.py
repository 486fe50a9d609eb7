"""Deploying a market: what each contract knows of the others, and the errors on the way."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import ape
import pytest

from derrick.chain import Lane
from derrick.data import hardware, listings
from derrick.deployment import Plan, Record, check_stablecoin, deploy, miswired
from derrick.fiat import FiatToken
from derrick.market import (
    CONTRACTS,
    DAY,
    NOBODY,
    PRICE_FLOOR_BPS,
    RESERVED,
    RUNNING_COSTS_BPS,
    SUPPLY,
    TELEMETRY_RULES,
    TERMS,
    Market,
    MarketError,
    MarketRules,
    ascii_bytes,
    capacity_config,
    deploy_market,
    index_price,
    local_market,
    owner_calls,
    penalty_per_unit,
)
from derrick.testing import reverts_with


@pytest.fixture(scope="module")
def usdc(owner):
    return FiatToken.deploy(owner)


@pytest.fixture(scope="module")
def market(owner, usdc, treasury):
    return deploy_market(owner, usdc.token, treasury=treasury)


@pytest.fixture(scope="module")
def local(project):
    return local_market()


# ---- deploy_market ------------------------------------------------------------------------------


def test_contracts_name_each_other_and_their_owner(market, owner):
    assert miswired(market, owner) == []


def test_a_market_made_of_two_is_miswired(market, owner, usdc, stranger):
    other = deploy_market(stranger, usdc.token)
    mixed = replace(market, capacity=other.capacity, vault=other.vault)
    assert set(miswired(mixed, owner)) == {
        "capacity.STABLECOINS",
        "capacity.INDEX",
        "capacity.TELEMETRY",
        "bond.CAPACITY",
        "lease.CAPACITY",
        "factory.CAPACITY",
        "registrar.CAPACITY",
        "valuation.CAPACITY",
        "vault.owner",
        "vault.SPLITTERS",
    }


def test_it_can_be_used_at_once(market, owner, usdc, treasury):
    assert market.stablecoins.requireAllowed(usdc.token) == 6
    leg = market.factory.protocolLeg()
    assert (leg.recipient, leg.bps) == (treasury.address, MarketRules().protocol_bps)
    assert owner_calls(market, treasury, MarketRules()) == []


def test_the_vault_has_the_rules(owner, usdc):
    rules = MarketRules(reserve_factor_bps=2_000, min_debt_coins=7, base_rate_wad=3 * 10**16)
    vault = deploy_market(owner, usdc.token, rules=rules).vault
    assert vault.RESERVE_FACTOR_BPS() == 2_000
    assert vault.MIN_DEBT() == 7 * 10**6
    assert vault.borrowRate() == 3 * 10**16
    assert (vault.name(), vault.symbol()) == ("Derrick USDC Vault", "dUSDC")


def test_the_owner_defaults_to_the_treasury(owner, usdc):
    assert deploy_market(owner, usdc.token).factory.protocolLeg().recipient == owner.address


def test_what_is_there_is_taken_over(market, owner, usdc, treasury):
    known = {h: getattr(market, h).address for h in CONTRACTS if h != "vault"}
    told = []
    again = deploy_market(
        owner,
        usdc.token,
        treasury=treasury,
        deployed=known,
        on_deployed=lambda handle, contract: told.append((handle, contract.address)),
    )
    assert {h: getattr(again, h).address for h in known} == known
    assert told == [("vault", again.vault.address)]
    assert again.vault.address != market.vault.address


def test_another_owner_has_calls_left(owner, guardian, treasury, usdc):
    market = deploy_market(guardian.address, usdc.token, deployer=owner, treasury=treasury)
    assert miswired(market, guardian) == []
    left = owner_calls(market, treasury, MarketRules())
    assert [words.split(": ")[1].split("(")[0] for words, _ in left] == [
        "setStablecoin",
        "setProtocolLeg",
    ]
    with reverts_with("Unauthorized()"):
        left[0][1](owner)
    for _, call in left:
        call(guardian)
    assert owner_calls(market, treasury, MarketRules()) == []


def test_a_capacity_without_a_splitter_has_none_to_give(market, operator, usdc):
    members, rules = [operator], TELEMETRY_RULES.as_tuple()
    market.telemetry.createSet(members, 1, rules, sender=market_owner(market))
    config = capacity_config(listings()[0], ape.chain.pending_timestamp + DAY, 1, usdc.token)
    config = config._replace(payee=operator.address, price_floor_bps=0)
    market.capacity.register(config, list(TERMS), 1, operator, sender=operator)
    with pytest.raises(MarketError, match="no splitter"):
        market.splitter(1)


def market_owner(market: Market):
    return ape.accounts.test_accounts[market.telemetry.owner()]


# ---- deploying on a network, with a record ------------------------------------------------------


@pytest.fixture
def plan(owner, usdc, treasury):
    return Plan.of(owner, usdc.token.address, None, treasury.address)


def test_a_deployment_is_written_down(owner, plan, tmp_path):
    record = Record(tmp_path / "deep" / plan.file_name, plan)
    lines = []
    market, left = deploy(owner, plan, record, tell=lines.append)
    assert left == []
    assert len(lines) == len(CONTRACTS)
    written = json.loads(record.path.read_text())
    assert written["network"] == "ethereum:local"
    assert record.path.name == "ethereum-local.json"
    assert written["chain_id"] == ape.chain.chain_id
    assert written["complete"] is True
    assert written["owner"] == owner.address
    assert written["contracts"] == {
        handle: {"contract": name, "address": getattr(market, handle).address}
        for handle, name in CONTRACTS.items()
    }


def test_a_second_run_deploys_nothing(owner, plan, tmp_path):
    path = tmp_path / plan.file_name
    first, _ = deploy(owner, plan, Record(path, plan))
    nonce = owner.nonce
    second, _ = deploy(owner, plan, Record(path, plan))
    assert owner.nonce == nonce
    assert all(getattr(second, h).address == getattr(first, h).address for h in CONTRACTS)


def test_an_interrupted_run_is_resumed(owner, plan, tmp_path):
    path = tmp_path / plan.file_name

    def break_off(line: str) -> None:
        if line.startswith("ComputeLease "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deploy(owner, plan, Record(path, plan), tell=break_off)
    written = json.loads(path.read_text())
    done = list(CONTRACTS).index("lease") + 1
    assert list(written["contracts"]) == list(CONTRACTS)[:done]
    assert written["complete"] is False

    lines = []
    market, _ = deploy(owner, plan, Record(path, plan), tell=lines.append)
    assert sum("already" in line for line in lines) == done
    assert market.lease.address == written["contracts"]["lease"]["address"]
    assert json.loads(path.read_text())["complete"] is True


def test_a_record_that_mixes_markets_is_refused(owner, plan, tmp_path):
    path = tmp_path / plan.file_name
    one, _ = deploy(owner, plan, Record(path, plan))
    record = Record(path, plan)
    other, _ = deploy(owner, plan, Record(tmp_path / "other.json", plan))
    record.contracts["capacity"] = other.capacity.address
    with pytest.raises(MarketError, match=r"do not fit together: .*lease\.CAPACITY"):
        deploy(owner, plan, record)
    assert one.lease.CAPACITY() == one.capacity.address


def test_a_record_of_another_market_is_refused(owner, stranger, plan, tmp_path):
    path = tmp_path / plan.file_name
    deploy(owner, plan, Record(path, plan))
    with pytest.raises(MarketError, match="another owner, treasury"):
        Record(path, replace(plan, owner=stranger.address, treasury=stranger.address))


def test_a_record_of_a_chain_that_is_gone_is_begun_anew(plan, tmp_path):
    path = tmp_path / plan.file_name
    record = Record(path, plan)
    record.contracts = {"stablecoins": "0x" + 40 * "9"}
    record.write([])
    assert Record(path, plan).contracts == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"contracts": {"lease": 7}}'])
def test_a_broken_record_is_named(plan, tmp_path, text):
    path = tmp_path / plan.file_name
    path.write_text(text)
    with pytest.raises(MarketError, match="is no record of a deployment"):
        Record(path, plan)


@pytest.mark.parametrize("text", ["USDC", "0x12", NOBODY])
def test_an_address_must_be_somebodys(owner, text):
    with pytest.raises(MarketError, match=r"stablecoin: .* is no address"):
        Plan.of(owner, text, None, None)


def test_a_stablecoin_needs_code(stranger):
    with pytest.raises(MarketError, match="no contract at"):
        check_stablecoin(stranger.address)


def test_a_stablecoin_needs_decimals(project, owner, market):
    with pytest.raises(MarketError, match="does not say its decimals"):
        check_stablecoin(market.lease.address)
    coin = owner.deploy(project.MockERC20, "Dollar", "USD", 19)
    with pytest.raises(MarketError, match="19 decimals, the registry takes 2 to 18"):
        check_stablecoin(coin.address)


# ---- local_market -------------------------------------------------------------------------------


def test_five_lines_give_a_running_market(local):
    capacity = local.register("h100-iowa")
    lease = local.sign_lease(capacity, units=4, days=7)
    first = local.settle_day(capacity)
    second = local.settle_day(capacity, uptime_bps=9_400)
    assert (first, second) == (0, 1)
    rent = 4 * capacity.listing.rent_per_unit()
    assert local.lease.creditOf(lease) == rent
    assert local.lease.netRevenueOf(capacity.id) == rent
    assert local.capacity.ownerOf(capacity.id) == local.operator.address
    assert local.splitter(capacity.id).address == capacity.splitter.address


def test_the_readmes_console_lines_do_what_they_say(project):
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    lines = readme.split("## In the console")[1].split("`source env.sh`")[0].splitlines()
    first = next(i for i, line in enumerate(lines) if "import local_market" in line)
    console: dict[str, Any] = {}
    exec("\n".join(line.strip() for line in lines[first:]), console)
    m, h100, lease = (console[name] for name in ("m", "h100", "lease"))
    assert m.lease.settledTo(h100.id).nextEpoch == 3
    assert m.lease.creditOf(lease) == 2 * 4 * h100.listing.rent_per_unit()
    penalty = 4 * penalty_per_unit(h100.listing)
    assert m.stablecoin.balanceOf(m.tenant) == penalty > 0
    assert m.bond.heldOf(h100.id) == 2 * 32 * penalty_per_unit(h100.listing) - penalty


def test_a_bond_pays_for_a_day_in_penalty(local, project):
    capacity = local.register("h100-iowa")
    lease = local.sign_lease(capacity, units=4, days=7)
    unit, units = penalty_per_unit(capacity.listing), capacity.listing.units
    assert local.deposit_bond(capacity, days=2) == 2 * units * unit
    assert local.bond.operatorPartOf(capacity.id) == 2 * units * unit
    local.settle_day(capacity)
    assert local.settle_day(capacity, uptime_bps=4_000) == 1
    with reverts_with(project.ComputeLease.InPenalty, capacity=capacity.id):
        local.sign_lease(capacity, units=1, days=7)
    credit = local.lease.creditOf(lease)
    before = local.stablecoin.balanceOf(local.tenant)
    local.lease.claimPenalty(lease, 1, local.tenant, sender=local.tenant)
    assert local.stablecoin.balanceOf(local.tenant) == before + 4 * unit
    assert local.lease.creditOf(lease) == credit == 4 * capacity.listing.rent_per_unit()
    assert local.bond.operatorPartOf(capacity.id) == (2 * units - 4) * unit
    local.settle_day(capacity)
    assert local.sign_lease(capacity, units=1, days=7) > lease


def test_stakers_stand_behind_the_operator_for_a_part_of_the_rent(local, lender):
    capacity = local.register("h100-iowa", stakers_bps=250)
    unit, units = penalty_per_unit(capacity.listing), capacity.listing.units
    leg = capacity.splitter.legOf(1)
    assert (leg.recipient, leg.bps, leg.isFixed) == (local.bond.address, 250, True)
    assert capacity.splitter.legOf(2).recipient == local.owner.address
    local.deposit_bond(capacity, days=1)
    assert local.stake(capacity, days=1, staker=lender) == units * unit
    assert local.bond.stakeOf(capacity.id, lender) == units * unit
    local.sign_lease(capacity, units, days=7)
    for uptime_bps in (10_000, 10_000, 7_499, 0):
        local.settle_day(capacity, uptime_bps)
    parts = [tuple(local.bond.reserveOf(capacity.id, epoch))[:2] for epoch in (1, 2, 3)]
    assert parts == [(0, 0), (units * unit, 0), (0, units * unit)]
    assert local.bond.bondOf(capacity.id) == 0


def test_stake_behind_leased_machines_waits(local, lender):
    capacity = local.register("h100-iowa")
    local.sign_lease(capacity, units=4, days=7)
    amount = local.stake(capacity, days=1)
    assert local.bond.pendingOf(capacity.id, local.lender).amount == amount > 0
    assert local.bond.sharesOf(capacity.id, local.lender) == 0


def test_a_registered_listing_is_the_listing(local, operator):
    listing = listings()[0]
    capacity = local.register(listing, operator)
    config = local.capacity.configOf(capacity.id)
    assert config.units == listing.units
    assert config.acceleratorsPerUnit == listing.accelerators_per_unit
    assert config.wattsPerUnit == listing.watts_per_unit
    assert config.pueBps == listing.pue_bps
    assert [(t.uptimeBelowBps, t.creditBps) for t in config.tiers] == list(listing.sla.tiers)
    assert config.penaltyBelowBps == 7_500
    assert config.penaltyPerUnit == penalty_per_unit(listing) == listing.rent_per_unit()
    assert local.capacity.priceOf(capacity.id) == listing.rent_per_unit()
    assert local.capacity.ownerOf(capacity.id) == operator.address
    assert capacity.splitter.balanceOf(operator) == SUPPLY
    legs = [tuple(capacity.splitter.legOf(i)) for i in range(2)]
    assert legs == [
        (operator.address, RUNNING_COSTS_BPS, False),
        (local.owner.address, MarketRules().protocol_bps, True),
    ]


@pytest.mark.parametrize("key", [listing.key for listing in listings()])
def test_every_listing_lies_above_its_floor(local, key):
    capacity = local.register(key)
    reserved = -(-capacity.listing.rent_per_unit() * TERMS[RESERVED].price_bps // 10_000)
    floor = local.capacity.priceFloorOf(capacity.id)
    assert floor == pytest.approx(
        index_price(capacity.listing.hardware.key)
        * capacity.listing.accelerators_per_unit
        * 24
        * PRICE_FLOOR_BPS
        / 10**6,
        rel=1e-6,
    )
    assert reserved > floor
    value, valid = local.valuation.value(capacity.splitter, SUPPLY)
    assert valid
    assert value > 0


def test_a_listed_collateral_carries_a_loan(local, lender, operator):
    capacity = local.register("h100-n-virginia", operator)
    local.list_collateral(capacity)
    local.usdc.mint(lender, 50_000 * 10**6)
    local.stablecoin.approve(local.vault, 50_000 * 10**6, sender=lender)
    local.vault.deposit(50_000 * 10**6, lender, sender=lender)
    capacity.splitter.approve(local.vault, SUPPLY, sender=operator)
    local.vault.pledge(capacity.splitter, SUPPLY, sender=operator)
    local.vault.borrow(capacity.splitter, 10_000 * 10**6, operator, sender=operator)
    assert local.stablecoin.balanceOf(operator) == 10_000 * 10**6


def test_every_class_has_a_fresh_price(local):
    for key in hardware():
        assert local.index.priceOf(ascii_bytes(key, 32)) == (index_price(key), True)


def test_feeds_that_were_left_alone_go_stale(local, lane: Lane):
    lane.mine(at=lane.time + 3 * DAY)
    name = ascii_bytes("H100-SXM", 32)
    assert local.index.priceOf(name) == (0, False)
    local.refresh_feeds()
    assert local.index.priceOf(name) == (index_price("H100-SXM"), True)


def test_an_unknown_listing_is_named(local):
    with pytest.raises(MarketError, match="no listing 'h100-mars'; there are h100-n-virginia"):
        local.register("h100-mars")
