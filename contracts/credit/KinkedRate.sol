// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @title Interest by utilization, with a kink
/// @notice From `baseWad` the yearly rate rises by `slopeWad` up to the kink and by `steepWad` from
/// there to full utilization.
library KinkedRate {
    using FixedPointMathLib for uint256;

    uint256 internal constant WAD = 1e18;
    uint256 internal constant YEAR = 365 days;

    /// @param baseWad Yearly rate with nothing lent out.
    /// @param slopeWad What is added on the way to the kink.
    /// @param steepWad What is added on the way from the kink to full utilization.
    /// @param kinkWad Utilization at the kink, above 0 and below 1.
    struct Curve {
        uint256 baseWad;
        uint256 slopeWad;
        uint256 steepWad;
        uint256 kinkWad;
    }

    /// @notice Yearly rate when `lent` of `all` is lent out. Rounded up.
    function rateUp(Curve memory curve, uint256 lent, uint256 all) internal pure returns (uint256) {
        if (lent == 0) return curve.baseWad;
        uint256 utilization = lent.mulDivUp(WAD, all);
        if (utilization <= curve.kinkWad) {
            return curve.baseWad + curve.slopeWad.mulDivUp(utilization, curve.kinkWad);
        }
        uint256 beyond = FixedPointMathLib.min(utilization, WAD) - curve.kinkWad;
        return
            curve.baseWad + curve.slopeWad + curve.steepWad.mulDivUp(beyond, WAD - curve.kinkWad);
    }

    /// @notice e^(rate × time) − 1 by three terms of its series, so that how often somebody pokes
    /// hardly matters. Rounded up.
    /// @dev A rate of 10^19 and 2^40 seconds stay below 2^256.
    function growthUp(uint256 rateWad, uint256 elapsed) internal pure returns (uint256) {
        uint256 first = (rateWad * elapsed).divUp(YEAR);
        uint256 second = first.mulDivUp(first, 2 * WAD);
        return first + second + second.mulDivUp(first, 3 * WAD);
    }
}
