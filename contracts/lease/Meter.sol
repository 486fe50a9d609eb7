// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {ILeaseTypes} from "interfaces/ILeaseTypes.sol";
import {ENERGY_AT, LOAD_AT, Reading, UPTIME_AT} from "./Reading.sol";

/// @notice Last reading and moving averages of a capacity, `ILeaseTypes.Performance`, in one word that
/// is read once and written once; zero before the first reading.
/// @dev new = old + (reading − old) / 30, the first reading as it is. Shares in 1/1024 bps, energy in
/// 1/64 Wh a unit: each step rounds down by less than one such part, all steps together by less than
/// thirty.
type Meter is uint256;

using {withReading, performance} for Meter global;

/// @dev 1 / α.
uint256 constant SPAN = 30;
uint256 constant SHARE_PARTS_LOG2 = 10;
uint256 constant ENERGY_PARTS_LOG2 = 6;

uint256 constant MEAN_UPTIME_AT = 104;
uint256 constant MEAN_LOAD_AT = 128;
uint256 constant MEAN_ENERGY_AT = 152;
uint256 constant LIFETIME_WH_AT = 192;

/// @dev The part of the word that is the last reading.
uint256 constant READING_MASK = (1 << MEAN_UPTIME_AT) - 1;

/// @dev The meter after one more reading, of at least one unit: shares are at most 10,000 bps, so in
/// parts below 2^24. Energy a unit stops at 2^34 Wh, 10 MW for 71 days: more is no reading of one
/// unit's epoch. A weighted mean of two values lies between them, so it fits where they do.
function withReading(Meter self, Reading reading, uint256 units) pure returns (Meter) {
    uint256 past = Meter.unwrap(self);
    unchecked {
        uint256 meanUptime = reading.uptimeOf() << SHARE_PARTS_LOG2;
        uint256 meanLoad = reading.loadOf() << SHARE_PARTS_LOG2;
        uint256 meanEnergy = FixedPointMathLib.rawDiv(
            reading.energyOf() << ENERGY_PARTS_LOG2,
            units
        );
        if (meanEnergy > type(uint40).max) meanEnergy = type(uint40).max;
        if (uint24(past) != 0) {
            meanUptime = (uint24(past >> MEAN_UPTIME_AT) * (SPAN - 1) + meanUptime) / SPAN;
            meanLoad = (uint24(past >> MEAN_LOAD_AT) * (SPAN - 1) + meanLoad) / SPAN;
            meanEnergy = (uint40(past >> MEAN_ENERGY_AT) * (SPAN - 1) + meanEnergy) / SPAN;
        }
        uint256 lifetimeWh = (past >> LIFETIME_WH_AT) + reading.energyOf();
        if (lifetimeWh > type(uint64).max) lifetimeWh = type(uint64).max;
        return
            Meter.wrap(
                (Reading.unwrap(reading) & READING_MASK) |
                    (meanUptime << MEAN_UPTIME_AT) |
                    (meanLoad << MEAN_LOAD_AT) |
                    (meanEnergy << MEAN_ENERGY_AT) |
                    (lifetimeWh << LIFETIME_WH_AT)
            );
    }
}

/// @dev The same for people to read.
function performance(Meter self) pure returns (ILeaseTypes.Performance memory) {
    uint256 word = Meter.unwrap(self);
    // Each field is cut to the width of its place.
    return
        ILeaseTypes.Performance({
            reportedTo: uint24(word),
            uptimeBps: uint16(word >> UPTIME_AT),
            loadBps: uint16(word >> LOAD_AT),
            energyWh: uint48(word >> ENERGY_AT),
            meanUptime: uint24(word >> MEAN_UPTIME_AT),
            meanLoad: uint24(word >> MEAN_LOAD_AT),
            meanEnergy: uint40(word >> MEAN_ENERGY_AT),
            lifetimeWh: uint64(word >> LIFETIME_WH_AT)
        });
}
