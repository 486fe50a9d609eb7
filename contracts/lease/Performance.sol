// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {ILeaseTypes} from "interfaces/ILeaseTypes.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";

/// @title Last reading and moving averages of a capacity, one word
/// @notice new = old + (reading − old) / 30, the first reading as it is. Shares in 1/1024 bps, energy in
/// 1/64 Wh a unit: each step rounds down by less than one such part, all steps together by less
/// than thirty.
library Performance {
    using FixedPointMathLib for uint256;

    /// @dev 1 / α.
    uint256 internal constant SPAN = 30;
    uint256 internal constant SHARE_PARTS = 1 << 10;
    uint256 internal constant WATT_HOUR_PARTS = 1 << 6;

    /// @notice The performance after one more report.
    /// @dev Shares are at most 10,000 and energy below 2^48 by the engine's check. Watt-hours a unit
    /// stop at 2^34, 10 MW for 71 days: more is no reading of one unit's epoch.
    function added(
        ITelemetryOracle.Report memory report,
        ILeaseTypes.Performance memory past,
        uint256 units
    ) internal pure returns (ILeaseTypes.Performance memory now_) {
        bool first = past.reportedTo == 0;
        uint256 perUnit = (report.energyWh * WATT_HOUR_PARTS) / units;
        now_.reportedTo = uint24(uint256(report.epoch) + 1); // at most the lifetime
        now_.uptimeBps = report.uptimeBps;
        now_.loadBps = report.loadBps;
        now_.energyWh = uint48(report.energyWh);
        now_.meanUptime = uint24(
            _mean(first, past.meanUptime, report.uptimeBps * SHARE_PARTS) // below 2^24
        );
        now_.meanLoad = uint24(_mean(first, past.meanLoad, report.loadBps * SHARE_PARTS));
        now_.meanEnergy = uint40(
            _mean(first, past.meanEnergy, perUnit.min(type(uint40).max)) // so is any mean of such
        );
        now_.lifetimeWh = uint64(
            (uint256(past.lifetimeWh) + report.energyWh).min(type(uint64).max)
        );
    }

    /// @dev A weighted mean of two values lies between them, so it fits where they do.
    function _mean(bool first, uint256 past, uint256 reading) private pure returns (uint256) {
        return first ? reading : (past * (SPAN - 1) + reading) / SPAN;
    }
}
