// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {ILeaseTypes} from "interfaces/ILeaseTypes.sol";

/// @notice Last reading and moving averages of a capacity, `ILeaseTypes.Performance`, in one word that
/// is read once and written once; zero before the first reading.
/// @dev new = old + (reading − old) / 30, the first reading as it is. Shares in 1/1024 bps, energy in
/// 1/64 Wh a unit: each step rounds down by less than one such part, all steps together by less than
/// thirty.
type Meter is uint256;

using {reading, performance} for Meter global;

/// @dev 1 / α.
uint256 constant SPAN = 30;
uint256 constant SHARE_PARTS_LOG2 = 10;
uint256 constant ENERGY_PARTS_LOG2 = 6;

uint256 constant UPTIME_AT = 24;
uint256 constant LOAD_AT = 40;
uint256 constant ENERGY_AT = 56;
uint256 constant MEAN_UPTIME_AT = 104;
uint256 constant MEAN_LOAD_AT = 128;
uint256 constant MEAN_ENERGY_AT = 152;
uint256 constant LIFETIME_WH_AT = 192;

/// @dev The meter after one more reading. Needs an epoch below 2^24 − 1, shares of at most 10,000,
/// energy below 2^48 and at least one unit; so shares in parts are below 2^24. Energy a unit stops
/// at 2^34 Wh, 10 MW for 71 days: more is no reading of one unit's epoch. A weighted mean of two
/// values lies between them, so it fits where they do.
function reading(
    Meter self,
    uint256 epoch,
    uint256 uptimeBps,
    uint256 loadBps,
    uint256 energyWh,
    uint256 units
) pure returns (Meter) {
    uint256 past = Meter.unwrap(self);
    unchecked {
        uint256 meanUptime = uptimeBps << SHARE_PARTS_LOG2;
        uint256 meanLoad = loadBps << SHARE_PARTS_LOG2;
        uint256 meanEnergy = (energyWh << ENERGY_PARTS_LOG2) / units;
        meanEnergy = FixedPointMathLib.min(meanEnergy, type(uint40).max);
        if (uint24(past) != 0) {
            meanUptime = (uint24(past >> MEAN_UPTIME_AT) * (SPAN - 1) + meanUptime) / SPAN;
            meanLoad = (uint24(past >> MEAN_LOAD_AT) * (SPAN - 1) + meanLoad) / SPAN;
            meanEnergy = (uint40(past >> MEAN_ENERGY_AT) * (SPAN - 1) + meanEnergy) / SPAN;
        }
        uint256 lifetimeWh = (past >> LIFETIME_WH_AT) + energyWh;
        lifetimeWh = FixedPointMathLib.min(lifetimeWh, type(uint64).max);
        return
            Meter.wrap(
                (epoch + 1) |
                    (uptimeBps << UPTIME_AT) |
                    (loadBps << LOAD_AT) |
                    (energyWh << ENERGY_AT) |
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
