// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {LibBit} from "solady/utils/LibBit.sol";
import {ILeaseTypes} from "interfaces/ILeaseTypes.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";

/// @notice What a report says of an epoch, in one word on the stack, checked as it is made; zero is
/// none. Its epoch + 1 has 24 bits, uptime and load 16 each, in bps, energy 48, in Wh, and
/// `curtailed` 8. All but the last stand as they do in a Meter.
type Reading is uint256;

using {epochOf, uptimeOf, loadOf, energyOf, isCurtailed, isNone, isHealthy} for Reading global;

uint256 constant UPTIME_AT = 24;
uint256 constant LOAD_AT = 40;
uint256 constant ENERGY_AT = 56;
uint256 constant CURTAILED_AT = 104;

uint256 constant MAX_SHARE_BPS = 1e4;
uint256 constant MAX_ENERGY_WH = (1 << 48) - 1;

/// @dev What the report says, as of an epoch that was compared with the report's own and is below
/// 2^24 − 1. Reads whole words: the bounds are tighter than the widths of the fields.
function readingOf(
    ITelemetryOracle.Report calldata report,
    uint256 epoch
) pure returns (Reading reading) {
    bool sound;
    assembly ("memory-safe") {
        let uptimeBps := calldataload(add(report, 0x40))
        let loadBps := calldataload(add(report, 0x60))
        let energyWh := calldataload(add(report, 0x80))
        let curtailed := calldataload(add(report, 0xa0))
        let wrong := or(gt(uptimeBps, MAX_SHARE_BPS), gt(loadBps, MAX_SHARE_BPS))
        sound := iszero(or(wrong, or(gt(energyWh, MAX_ENERGY_WH), gt(curtailed, 1))))
        let shares := or(shl(UPTIME_AT, uptimeBps), shl(LOAD_AT, loadBps))
        let rest := or(shl(ENERGY_AT, energyWh), shl(CURTAILED_AT, curtailed))
        reading := or(add(epoch, 1), or(shares, rest))
    }
    if (!sound) refuse(report);
}

/// @dev A share above the whole, or more energy than fits, is no reading, whoever signed it.
function refuse(ITelemetryOracle.Report calldata report) pure {
    uint256[4] calldata words;
    assembly ("memory-safe") {
        words := add(report, 0x40)
    }
    require(words[0] <= MAX_SHARE_BPS, ILeaseTypes.ReportOutOfRange("uptimeBps", words[0]));
    require(words[1] <= MAX_SHARE_BPS, ILeaseTypes.ReportOutOfRange("loadBps", words[1]));
    require(words[2] <= MAX_ENERGY_WH, ILeaseTypes.ReportOutOfRange("energyWh", words[2]));
    revert ILeaseTypes.ReportOutOfRange("curtailed", words[3]);
}

/// @dev An epoch below 2^24 − 1 in which nothing was measured.
function unread(uint256 epoch) pure returns (Reading) {
    return Reading.wrap(epoch + 1);
}

/// @dev Needs a reading.
function epochOf(Reading self) pure returns (uint256) {
    unchecked {
        return uint256(uint24(Reading.unwrap(self))) - 1;
    }
}

function uptimeOf(Reading self) pure returns (uint256) {
    return uint16(Reading.unwrap(self) >> UPTIME_AT);
}

function loadOf(Reading self) pure returns (uint256) {
    return uint16(Reading.unwrap(self) >> LOAD_AT);
}

function energyOf(Reading self) pure returns (uint256) {
    return uint48(Reading.unwrap(self) >> ENERGY_AT);
}

function isCurtailed(Reading self) pure returns (bool) {
    return Reading.unwrap(self) >> CURTAILED_AT != 0;
}

function isNone(Reading self) pure returns (bool) {
    return Reading.unwrap(self) == 0;
}

/// @dev Whether the service was full: nothing goes back.
function isHealthy(Reading self, uint256 healthyBps) pure returns (bool) {
    return LibBit.rawAnd(self.uptimeOf() >= healthyBps, !self.isCurtailed());
}
