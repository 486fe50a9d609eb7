// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibString} from "solady/utils/LibString.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IComputeLease} from "interfaces/IComputeLease.sol";
import {ILeaseRenderer} from "interfaces/ILeaseRenderer.sol";
import {ILeaseTypes} from "interfaces/ILeaseTypes.sol";
import {EpochClock} from "../libraries/EpochClock.sol";
import {Card} from "./Card.sol";
import {Coin} from "./Coin.sol";
import {Text} from "./Text.sol";

/// @title What draws leases
/// @notice See ILeaseRenderer. Keeps nothing and trusts no text: the engine and its deeds are asked
/// for facts, the stablecoin for its name with little gas.
contract LeaseRenderer is ILeaseRenderer {
    using Coin for Coin.Face;
    using LibString for uint256;
    using Text for string;

    uint256 internal constant BPS = 1e4;

    /// @dev All that a card shows; times are Unix times, shares those of the term.
    /// @param settledEpochs Epochs of the lease that are settled; `creditBps` sums their credits.
    /// @param user Who may use the lease in its holder's place, if anyone.
    struct Facts {
        uint256 id;
        uint256 capacity;
        ILeaseTypes.Lease signed;
        IComputeCapacity.CapacityConfig config;
        bool spot;
        uint256 startsAt;
        uint256 endsAt;
        uint256 paidUntil;
        uint256 settledEpochs;
        uint256 creditBps;
        address user;
        uint256 expires;
        string state;
        string colour;
        uint256 runBps;
        uint256 paidBps;
        string hardware;
        string place;
        string rent;
        string total;
    }

    /// @inheritdoc ILeaseRenderer
    function leaseURI(IComputeLease leases, uint256 leaseId) external view returns (string memory) {
        Facts memory facts = _factsOf(leases, leaseId);
        return
            Card.metadata(
                string(unicode"Compute lease §: § of §")
                    .fill(leaseId.toString())
                    .fill(Text.count(facts.signed.units, "unit"))
                    .fill(facts.hardware),
                _description(facts),
                string.concat(_traits(facts), _moneyTraits(facts)),
                _picture(facts)
            );
    }

    // ------------------------------------------------------------------ facts

    function _factsOf(
        IComputeLease leases,
        uint256 leaseId
    ) internal view returns (Facts memory facts) {
        IComputeCapacity deeds = leases.CAPACITY();
        facts.id = leaseId;
        facts.signed = leases.leaseOf(leaseId);
        facts.capacity = leases.capacityOf(leaseId);
        facts.config = deeds.configOf(facts.capacity);
        (IComputeCapacity.Term memory term, ) = deeds.termOf(facts.capacity, facts.signed.term);
        facts.spot = term.preemptible;
        facts.startsAt = _startOf(facts, facts.signed.start);
        facts.endsAt = _startOf(facts, facts.signed.end);
        facts.paidUntil = _startOf(facts, facts.signed.fundedTo);
        _addService(facts, leases);
        _addUser(facts, leases);
        _addState(facts);
        _addWords(facts);
    }

    function _startOf(Facts memory facts, uint256 epoch) internal pure returns (uint256) {
        return EpochClock.startOf(facts.config.origin, facts.config.epochLength, epoch);
    }

    function _addService(Facts memory facts, IComputeLease leases) internal view {
        (uint256 nextEpoch, ) = leases.settledTo(facts.capacity);
        uint256 start = facts.signed.start;
        uint256 to = FixedPointMathLib.min(nextEpoch, facts.signed.fundedTo);
        if (to <= start) return;
        facts.settledEpochs = to - start;
        facts.creditBps =
            leases.creditSumBelow(facts.capacity, to) -
            leases.creditSumBelow(facts.capacity, start);
    }

    function _addUser(Facts memory facts, IComputeLease leases) internal view {
        address user = leases.userOf(facts.id);
        if (user == IERC721(address(leases)).ownerOf(facts.id)) return;
        facts.user = user;
        facts.expires = leases.userExpires(facts.id);
    }

    function _addState(Facts memory facts) internal view {
        ILeaseTypes.Lease memory signed = facts.signed;
        uint256 earliest = EpochClock.firstUnbegun(
            facts.config.origin,
            facts.config.epochLength,
            block.timestamp
        );
        bool lapsed = signed.fundedTo < signed.end && signed.fundedTo < earliest;
        if (earliest <= signed.start) (facts.state, facts.colour) = ("FORWARD", Card.BLUE);
        else if (lapsed) (facts.state, facts.colour) = ("LAPSED", Card.RED);
        else if (earliest > signed.end) (facts.state, facts.colour) = ("ENDED", Card.GREY);
        else if (signed.fundedTo == earliest && earliest != signed.end)
            (facts.state, facts.colour) = ("PAYMENT DUE", Card.AMBER);
        else (facts.state, facts.colour) = ("RUNNING", Card.GREEN);

        // A lapsed lease stands as one that ended where its funding did.
        uint256 stop = lapsed ? facts.paidUntil : facts.endsAt;
        uint256 length = facts.endsAt - facts.startsAt;
        uint256 run = FixedPointMathLib.clamp(block.timestamp, facts.startsAt, stop);
        facts.runBps = ((run - facts.startsAt) * BPS) / length;
        facts.paidBps = ((facts.paidUntil - facts.startsAt) * BPS) / length;
    }

    function _addWords(Facts memory facts) internal view {
        Coin.Face memory coin = Coin.read(facts.config.stablecoin);
        facts.rent = coin.amount(facts.signed.rent);
        facts.total = coin.amount(uint256(facts.signed.rent) * facts.signed.units);
        facts.hardware = Text.plain(facts.config.hardwareClass);
        facts.place = string(unicode"country §, site §")
            .fill(Text.country(facts.config.country))
            .fill(Text.plain(facts.config.site));
    }

    // ------------------------------------------------------------------ words

    function _description(Facts memory facts) internal pure returns (string memory) {
        return
            string(
                unicode"The right to § of §, § each, of Derrick capacity § (§), from § to § UTC. "
                unicode"Whoever holds this token is the tenant; unclaimed credits go with it."
            )
                .fill(Text.count(facts.signed.units, "unit"))
                .fill(facts.hardware)
                .fill(Text.count(facts.config.acceleratorsPerUnit, "accelerator"))
                .fill(facts.capacity.toString())
                .fill(facts.place)
                .fill(Text.moment(facts.startsAt))
                .fill(Text.moment(facts.endsAt));
    }

    /// @dev The share of rent that stayed due, rounded down: 100 % is service without any credit.
    function _service(Facts memory facts) internal pure returns (string memory) {
        if (facts.settledEpochs == 0) return "nothing settled yet";
        uint256 due = facts.settledEpochs * BPS - facts.creditBps;
        return string.concat(Text.percent(due / facts.settledEpochs), " of rent due");
    }

    function _usedBy(Facts memory facts) internal pure returns (string memory) {
        return facts.user == address(0) ? "its holder" : Text.brief(facts.user);
    }

    function _traits(Facts memory facts) internal pure returns (string memory) {
        bool used = facts.user != address(0);
        string memory what = string.concat(
            Card.trait("State", facts.state),
            Card.trait("Capacity", facts.capacity),
            Card.trait("Hardware class", facts.hardware),
            Card.trait("Units", facts.signed.units),
            Card.trait("Accelerators per unit", facts.config.acceleratorsPerUnit),
            Card.trait("Country (ISO 3166-1)", Text.country(facts.config.country)),
            Card.trait("Site", Text.plain(facts.config.site)),
            Card.trait("Epoch", Text.duration(facts.config.epochLength))
        );
        string memory time = string.concat(
            Card.date("Start", facts.startsAt),
            Card.date("End", facts.endsAt),
            Card.date("Paid until", facts.paidUntil),
            Card.trait("Run", Text.percent(facts.runBps)),
            Card.trait("Paid", Text.percent(facts.paidBps)),
            Card.trait("Spot", facts.spot ? "yes" : "no"),
            Card.trait("User", used ? LibString.toHexStringChecksummed(facts.user) : "its holder"),
            used ? Card.date("Used until", facts.expires) : ""
        );
        return string.concat(what, time);
    }

    function _moneyTraits(Facts memory facts) internal pure returns (string memory) {
        return
            string.concat(
                Card.trait("Rent per unit and epoch", facts.rent),
                Card.trait("Rent per epoch", facts.total),
                Card.trait("Rent in base units", uint256(facts.signed.rent).toString()),
                Card.trait("Coin", LibString.toHexStringChecksummed(facts.config.stablecoin)),
                Card.trait("Service so far", _service(facts)),
                Card.trait("Settled epochs", facts.settledEpochs)
            );
    }

    // ------------------------------------------------------------------ the card

    function _picture(Facts memory facts) internal pure returns (string memory) {
        string memory top = string.concat(
            Card.head(
                "Compute lease",
                facts.id,
                facts.hardware,
                Text.size(facts.signed.units, facts.config.acceleratorsPerUnit),
                facts.place
            ),
            Card.marks(
                facts.state,
                facts.colour,
                facts.spot ? "SPOT" : "",
                facts.user == address(0) ? "" : "USER"
            ),
            Card.bar(
                facts.runBps,
                facts.paidBps,
                facts.colour,
                string.concat((facts.runBps / 100).toString(), " % run"),
                string.concat((facts.paidBps / 100).toString(), " % paid"),
                Text.span(facts.startsAt, facts.endsAt)
            )
        );
        string memory per = Text.per(facts.config.epochLength);
        return
            string.concat(
                top,
                Card.row(0, "Rent per unit", string.concat(facts.rent, per)),
                Card.row(1, "Rent in all", string.concat(facts.total, per)),
                Card.row(2, "Service so far", _service(facts)),
                Card.row(3, "Paid until", Text.moment(facts.paidUntil)),
                Card.row(4, "Used by", _usedBy(facts))
            );
    }
}
