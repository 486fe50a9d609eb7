// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibString} from "solady/utils/LibString.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IDeedRenderer} from "interfaces/IDeedRenderer.sol";
import {EpochClock} from "../libraries/EpochClock.sol";
import {Card} from "./Card.sol";
import {Coin} from "./Coin.sol";
import {Text} from "./Text.sol";

/// @title What draws deeds
/// @notice See IDeedRenderer. Keeps nothing and trusts no text; neither the stablecoin nor a
/// pricing module can keep a deed from being drawn.
contract DeedRenderer is IDeedRenderer {
    using Coin for Coin.Face;
    using LibString for uint256;
    using Text for string;

    uint256 internal constant BPS = 1e4;

    /// @dev All that a card shows. `watts` is the power of all units at full load, PUE included.
    struct Facts {
        uint256 id;
        IComputeCapacity.CapacityConfig config;
        uint256 attested;
        uint256 watts;
        uint256 endsAt;
        uint256 runBps;
        string state;
        string colour;
        string hardware;
        string place;
        string price;
        string service;
    }

    /// @inheritdoc IDeedRenderer
    function deedURI(
        IComputeCapacity deeds,
        uint256 capacity
    ) external view returns (string memory) {
        Facts memory facts = _factsOf(deeds, capacity);
        return
            Card.metadata(
                string(unicode"Compute capacity §: § of §")
                    .fill(capacity.toString())
                    .fill(Text.count(facts.config.units, "unit"))
                    .fill(facts.hardware),
                _description(facts),
                _traits(facts),
                _picture(facts)
            );
    }

    // ------------------------------------------------------------------ facts

    function _factsOf(
        IComputeCapacity deeds,
        uint256 capacity
    ) internal view returns (Facts memory facts) {
        facts.id = capacity;
        facts.config = deeds.configOf(capacity);
        facts.attested = deeds.attestedUnits(capacity);
        facts.watts =
            (uint256(facts.config.units) * facts.config.wattsPerUnit * facts.config.pueBps) / BPS;
        _addState(facts, deeds.isOpen(capacity), block.timestamp < deeds.pausedUntil(capacity));
        _addWords(facts, deeds);
    }

    function _addState(Facts memory facts, bool open, bool paused) internal view {
        uint256 origin = facts.config.origin;
        facts.endsAt = EpochClock.startOf(
            origin,
            facts.config.epochLength,
            facts.config.lifetimeEpochs
        );
        uint256 now_ = FixedPointMathLib.clamp(block.timestamp, origin, facts.endsAt);
        facts.runBps = ((now_ - origin) * BPS) / (facts.endsAt - origin);
        if (now_ == facts.endsAt) (facts.state, facts.colour) = ("ENDED", Card.GREY);
        else if (!open) (facts.state, facts.colour) = ("CLOSED", Card.AMBER);
        else if (paused) (facts.state, facts.colour) = ("PAUSED", Card.AMBER);
        else (facts.state, facts.colour) = ("OPEN", Card.GREEN);
    }

    function _addWords(Facts memory facts, IComputeCapacity deeds) internal view {
        address module = address(deeds.pricingOf(facts.id));
        facts.price =
            module == address(0)
                ? Coin.read(facts.config.stablecoin).amount(deeds.priceOf(facts.id))
                : string.concat("by module ", Text.brief(module));
        facts.hardware = Text.plain(facts.config.hardwareClass);
        facts.place = string(unicode"country §, site §")
            .fill(Text.country(facts.config.country))
            .fill(Text.plain(facts.config.site));
        IComputeCapacity.ServiceKind kind = facts.config.serviceKind;
        if (kind == IComputeCapacity.ServiceKind.TRAINING) facts.service = "TRAINING";
        else if (kind == IComputeCapacity.ServiceKind.INFERENCE) facts.service = "INFERENCE";
        else facts.service = "EDGE";
    }

    // ------------------------------------------------------------------ words

    function _description(Facts memory facts) internal pure returns (string memory) {
        return
            string(
                unicode"The deed of § of §, § each (§). Whoever owns it sets price and terms and "
                unicode"takes new leases or none; the rent goes to the payee named at registration."
            )
                .fill(Text.count(facts.config.units, "unit"))
                .fill(facts.hardware)
                .fill(Text.count(facts.config.acceleratorsPerUnit, "accelerator"))
                .fill(facts.place);
    }

    function _power(Facts memory facts) internal pure returns (string memory) {
        return string.concat(Text.decimal(facts.watts, 3, 0), " kW");
    }

    function _traits(Facts memory facts) internal pure returns (string memory) {
        string memory what = string.concat(
            Card.trait("State", facts.state),
            Card.trait("Service", facts.service),
            Card.trait("Hardware class", facts.hardware),
            Card.trait("Units", facts.config.units),
            Card.trait("Units attested", facts.attested),
            Card.trait("Accelerators per unit", facts.config.acceleratorsPerUnit),
            Card.trait("Country (ISO 3166-1)", Text.country(facts.config.country)),
            Card.trait("Site", Text.plain(facts.config.site)),
            Card.trait("Epoch", Text.duration(facts.config.epochLength))
        );
        return
            string.concat(
                what,
                Card.date("Start", facts.config.origin),
                Card.date("End", facts.endsAt),
                Card.trait("Run", Text.percent(facts.runBps)),
                Card.trait("Price per unit and epoch", facts.price),
                Card.trait("Coin", LibString.toHexStringChecksummed(facts.config.stablecoin)),
                Card.trait("Power at full load", _power(facts)),
                Card.trait("PUE", Text.decimal(facts.config.pueBps, 4, 2)),
                Card.trait("Uptime promised", Text.percent(facts.config.committedUptimeBps))
            );
    }

    // ------------------------------------------------------------------ the card

    function _picture(Facts memory facts) internal pure returns (string memory) {
        uint256 each = facts.config.acceleratorsPerUnit;
        string memory top = string.concat(
            Card.head(
                "Compute capacity",
                facts.id,
                facts.hardware,
                Text.size(facts.config.units, each),
                facts.place
            ),
            Card.marks(facts.state, facts.colour, facts.service, ""),
            Card.bar(
                facts.runBps,
                0,
                facts.colour,
                string.concat((facts.runBps / 100).toString(), " % of its life"),
                string.concat("epochs of ", Text.duration(facts.config.epochLength)),
                Text.span(facts.config.origin, facts.endsAt)
            )
        );
        return
            string.concat(
                top,
                Card.row(0, "Units attested", Text.outOf(facts.attested, facts.config.units)),
                Card.row(
                    1,
                    "Accelerators",
                    Text.outOf(facts.attested * each, facts.config.units * each)
                ),
                Card.row(2, "Power at full load", _power(facts)),
                Card.row(3, "Uptime promised", Text.percent(facts.config.committedUptimeBps)),
                Card.row(4, "Price per unit", facts.price)
            );
    }
}
