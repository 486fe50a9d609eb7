"""What each operation costs: fixed scenarios, measured on the local node, kept in docs/gas.md.

Gas is exact: the same bytecode in the same state costs the same on every machine. So a figure that
grows is a change of the contracts, and the check allows one per cent. Each operation is a
transaction of its own (storage cold), its 21,000 intrinsic gas included, as its receipt says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TABLE_START = "<!-- measured: start -->"
TABLE_END = "<!-- measured: end -->"
TOLERANCE_BPS = 100
"""How much a figure may grow unnoticed: one per cent."""


@dataclass(frozen=True)
class Operation:
    """A named scenario. `bar` is the gas it must stay at or below, as far as there is one."""

    key: str
    scenario: str
    bar: int | None = None


OPERATIONS = (
    Operation(
        "lease_30_epochs_warm",
        "lease 64 units for 30 daily epochs; the tenant holds one, calendar and schedule in use",
        140_000,
    ),
    Operation(
        "lease_30_epochs_cold",
        "the same, all storage fresh: first lease of the capacity and of the tenant",
        185_000,
    ),
    Operation("lease_transfer_existing", "lease NFT to somebody who holds one", 43_000),
    Operation("register_capacity", "deed, terms, splitter and its shares, by the registrar"),
    Operation("post_root_3_of_5", "one root, three signatures of five attestors"),
    Operation(
        "settle_epoch_1_lease", "a healthy epoch with 1 lease, a proof of 3 siblings", 50_000
    ),
    Operation("settle_epoch_100_leases", "the same with 100 leases", 50_000),
    Operation("settle_epoch_10000_leases", "the same with 10,000 leases", 50_000),
    Operation(
        "settle_31_capacities",
        "a healthy epoch of 31 capacities (1,000,000 accelerators leased), one root, one proof",
        650_000,
    ),
    Operation("settle_epoch_penalty", "an epoch in penalty, a first one; the bond pays"),
    Operation("bond_deposit", "the operator adds to a bond"),
    Operation("claim_penalty", "of one lease for one epoch"),
    Operation("settle_epoch_credit", "an epoch below a tier, the capacity had a credit before"),
    Operation("settle_missing", "an epoch of a blackout, the capacity had a credit before"),
    Operation("pass_idle_16_epochs", "16 idle epochs at once"),
    Operation("release", "to the splitter, which holds the coin"),
    Operation("claim_credit", "of one lease over 30 epochs with 2 credits"),
    Operation(
        "release_and_claim_1_holder",
        "claim when the engine owes: release and claim in one transaction, 1 holder; the protocol "
        "has not claimed",
        95_000,
    ),
    Operation("release_and_claim_1000_holders", "the same with 1,000 holders", 95_000),
    Operation("release_and_claim_10000_holders", "the same with 10,000 holders", 95_000),
    Operation(
        "release_and_claim_emptied",
        "the same with 1 holder after everybody had claimed everything",
    ),
    Operation("splitter_sync", "coin that came by plain transfer, steady", 52_387),
    Operation("splitter_claim", "one holder, nothing to pull, steady", 56_000),
    Operation("splitter_claim_2_tokens", "the same in the stablecoin and another token"),
    Operation("splitter_claim_leg", "one leg, nothing to pull, steady"),
    Operation("claim_many_3", "three splitters by the collector, nothing to pull, steady"),
    Operation(
        "splitter_transfer_both_settle", "shares between holders with dividends, steady", 86_463
    ),
    Operation("splitter_transfer_2_tokens", "the same with dividends in another token too"),
    Operation("pooled_deposit", "shares into pooled shares, dividends brought along, steady"),
    Operation("pooled_redeem", "pooled shares into shares and a credit, steady"),
    Operation("vault_deposit_existing", "a lender's further deposit, interest accruing", 74_683),
    Operation("vault_withdraw", "part of a deposit, interest accruing", 72_776),
    Operation("vault_pledge", "a first pledge"),
    Operation("vault_borrow_first", "against pledged shares, real valuation"),
    Operation("vault_borrow_again", "the same again, constant price", 84_306),
    Operation("vault_borrow_again_valuation", "the same again, real valuation"),
    Operation("vault_repay_part", "half of a debt", 78_472),
    Operation("vault_withdraw_collateral", "all shares, no debt"),
    Operation("vault_liquidate_part", "back to health, constant price", 104_942),
    Operation("vault_liquidate_part_valuation", "the same, real valuation"),
    Operation(
        "vault_apply_dividends",
        "rent owed in the lease engine to a lower debt: release, claim, apply in one transaction",
        130_000,
    ),
)
BY_KEY = {operation.key: operation for operation in OPERATIONS}


class GasGrew(Exception):  # noqa: N818 - says what happened
    """At least one figure grew by more than the tolerance, or is not in the document."""


def table(plain: Mapping[str, int], fiat: Mapping[str, int]) -> str:
    """The Markdown table of all operations, in their order."""
    rows = [
        "| operation | scenario | plain ERC-20 | FiatToken | bar | |",
        "|---|---|---:|---:|---:|---|",
    ]
    for operation in OPERATIONS:
        gas = plain[operation.key]
        bar = "" if operation.bar is None else f"{operation.bar:,}"
        verdict = (
            "" if operation.bar is None else ("met" if gas <= operation.bar else "**not met**")
        )
        rows.append(
            f"| `{operation.key}` | {operation.scenario} | {gas:,} | {fiat[operation.key]:,} "
            f"| {bar} | {verdict} |"
        )
    return "\n".join(rows)


def read_table(document: str) -> dict[str, tuple[int, int]]:
    """Key → (plain, FiatToken), as a document's table has them."""
    found = re.findall(r"^\| `(\w+)` \|[^|]*\| ([\d,]+) \| ([\d,]+) \|", document, re.MULTILINE)
    return {key: (_number(plain), _number(fiat)) for key, plain, fiat in found}


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def write(document: Path, out: Path, plain: Mapping[str, int], fiat: Mapping[str, int]) -> None:
    """Puts the table between the document's marks, and the plain figures into `out` as JSON."""
    text = document.read_text(encoding="utf-8")
    head, start, rest = text.partition(TABLE_START)
    _, end, tail = rest.partition(TABLE_END)
    if not start or not end:
        raise ValueError(f"{document}: the marks {TABLE_START} and {TABLE_END} are missing")
    body = f"{head}{start}\n\n{table(plain, fiat)}\n\n{end}{tail}"
    document.write_text(body, encoding="utf-8")
    write_json(out, plain, fiat)


def write_json(out: Path, plain: Mapping[str, int], fiat: Mapping[str, int]) -> None:
    """{"operations": {name: gas}}, and the same with Circle's FiatToken."""
    out.parent.mkdir(parents=True, exist_ok=True)
    data = {"operations": dict(plain), "operations_fiat_token": dict(fiat)}
    out.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def check(document: str, plain: Mapping[str, int], fiat: Mapping[str, int]) -> None:
    """Raises `GasGrew`, naming each figure that is over one per cent above the document's, or that
    only one of the two has."""
    written = read_table(document)
    problems = list(_problems(written, plain, fiat))
    if problems:
        lines = "\n  ".join(problems)
        raise GasGrew(f"docs/gas.md does not hold any more:\n  {lines}\nIf it must be: make gas")


def _problems(
    written: Mapping[str, tuple[int, int]], plain: Mapping[str, int], fiat: Mapping[str, int]
) -> Iterator[str]:
    for key in sorted(set(written) ^ set(plain)):
        yield f"{key}: {'measured' if key in plain else 'documented'} only"
    for key in plain:
        if key not in written:
            continue
        for coin, before, now in zip(
            ("plain ERC-20", "FiatToken"), written[key], (plain[key], fiat[key]), strict=True
        ):
            if now * 10_000 > before * (10_000 + TOLERANCE_BPS):
                yield f"{key} ({coin}): {before:,} → {now:,}, {(now / before - 1):+.1%}"
