// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {EpochClock} from "../libraries/EpochClock.sol";

/// @notice What a healthy epoch is settled by, `IComputeCapacity.ServiceLevel`, in one word on the stack:
/// a struct in memory costs a settlement more than the read itself. Zero where it is not known.
type Level is uint256;

using {
    originOf,
    epochLengthOf,
    lifetimeOf,
    attestorSetOf,
    windowLengthOf,
    healthyBpsOf,
    unitsOf,
    isKnown,
    firstUnbegun,
    startOf,
    endOf,
    windowOf,
    windowIdOf,
    revealEnd,
    penaltyDeadline
} for Level global;

uint256 constant WINDOW_BITS = 64;
uint256 constant EPOCH_LENGTH_AT = 40;
uint256 constant LIFETIME_AT = 64;
uint256 constant ATTESTOR_SET_AT = 88;
uint256 constant WINDOW_LENGTH_AT = 112;
uint256 constant REVEAL_PERIOD_AT = 136;
uint256 constant REVEAL_SPAN_AT = 160;
uint256 constant HEALTHY_AT = 192;
uint256 constant UNITS_AT = 208;

/// @dev The level as the deeds say it. Each field is as wide as its place.
function levelOf(IComputeCapacity.ServiceLevel memory level) pure returns (Level) {
    return
        Level.wrap(
            uint256(level.origin) |
                (uint256(level.epochLength) << EPOCH_LENGTH_AT) |
                (uint256(level.lifetimeEpochs) << LIFETIME_AT) |
                (uint256(level.attestorSet) << ATTESTOR_SET_AT) |
                (uint256(level.windowLength) << WINDOW_LENGTH_AT) |
                (uint256(level.revealPeriod) << REVEAL_PERIOD_AT) |
                (uint256(level.revealSpan) << REVEAL_SPAN_AT) |
                (uint256(level.healthyBps) << HEALTHY_AT) |
                (uint256(level.units) << UNITS_AT)
        );
}

function isKnown(Level self) pure returns (bool) {
    return Level.unwrap(self) != 0;
}

function originOf(Level self) pure returns (uint256) {
    return uint40(Level.unwrap(self));
}

function epochLengthOf(Level self) pure returns (uint256) {
    return uint24(Level.unwrap(self) >> EPOCH_LENGTH_AT);
}

function lifetimeOf(Level self) pure returns (uint256) {
    return uint24(Level.unwrap(self) >> LIFETIME_AT);
}

function attestorSetOf(Level self) pure returns (uint256) {
    return uint24(Level.unwrap(self) >> ATTESTOR_SET_AT);
}

function windowLengthOf(Level self) pure returns (uint256) {
    return uint24(Level.unwrap(self) >> WINDOW_LENGTH_AT);
}

function revealPeriodOf(Level self) pure returns (uint256) {
    return uint24(Level.unwrap(self) >> REVEAL_PERIOD_AT);
}

function revealSpanOf(Level self) pure returns (uint256) {
    return uint32(Level.unwrap(self) >> REVEAL_SPAN_AT);
}

function healthyBpsOf(Level self) pure returns (uint256) {
    return uint16(Level.unwrap(self) >> HEALTHY_AT);
}

function unitsOf(Level self) pure returns (uint256) {
    return uint16(Level.unwrap(self) >> UNITS_AT);
}

/// @dev The first epoch that has not begun.
function firstUnbegun(Level self) view returns (uint256) {
    return EpochClock.firstUnbegun(originOf(self), epochLengthOf(self), block.timestamp);
}

function startOf(Level self, uint256 epoch) pure returns (uint256) {
    return EpochClock.startOf(originOf(self), epochLengthOf(self), epoch);
}

/// @dev Unchecked: origin below 2^40, epoch below 2^32, its length below 2^24.
function endOf(Level self, uint256 epoch) pure returns (uint256) {
    unchecked {
        return originOf(self) + (epoch + 1) * epochLengthOf(self);
    }
}

/// @dev The window of the attestors' grid that an epoch which ends then belongs to: the k with
/// k·length < endsAt ≤ (k + 1)·length.
function windowOf(Level self, uint256 endsAt) pure returns (uint256) {
    // No set has windows without length; unchecked, for epochs do not end at 0.
    return FixedPointMathLib.rawDiv(FixedPointMathLib.rawSub(endsAt, 1), windowLengthOf(self));
}

/// @dev The set and, in the low 64 bits, its window that an epoch below 2^32 belongs to. Windows are
/// below 2^57, as times are.
function windowIdOf(Level self, uint256 epoch) pure returns (uint256) {
    return (attestorSetOf(self) << WINDOW_BITS) | windowOf(self, endOf(self, epoch));
}

/// @dev When a window's reports can no longer be shown. Unchecked: (window + 1)·length is at most a
/// window more than a time below 2^57.
function revealEnd(Level self, uint256 window) pure returns (uint256) {
    unchecked {
        return (window + 1) * windowLengthOf(self) + revealSpanOf(self);
    }
}

/// @dev When a penalty that was held back can no longer be added.
function penaltyDeadline(Level self, uint256 window) pure returns (uint256) {
    return revealEnd(self, window) + revealPeriodOf(self);
}
