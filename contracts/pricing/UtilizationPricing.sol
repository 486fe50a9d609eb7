// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IComputeLease} from "interfaces/IComputeLease.sol";
import {IPricing} from "interfaces/IPricing.sol";
import {IUtilizationPricing} from "interfaces/IUtilizationPricing.sol";
import {PricingModule} from "./PricingModule.sol";

/// @title The fuller the asked epochs, the dearer
/// @notice See IUtilizationPricing for the whole documentation.
contract UtilizationPricing is IUtilizationPricing, PricingModule {
    using FixedPointMathLib for uint256;

    /// @inheritdoc IUtilizationPricing
    IComputeLease public immutable LEASE;

    mapping(uint256 capacity => Curve) internal _curves;

    /// @notice Safety and liveness rest on the two alone.
    /// @param capacity Deeds and their figures.
    /// @param lease The engine that leases them.
    constructor(IComputeCapacity capacity, IComputeLease lease) PricingModule(capacity) {
        require(lease.CAPACITY() == capacity, BadAddress("lease", address(lease)));
        LEASE = lease;
    }

    /// @inheritdoc IUtilizationPricing
    function setCurve(
        uint256 capacity,
        uint256 idlePrice,
        uint256 kinkPrice,
        uint256 fullPrice,
        uint256 kinkBps
    ) external onlyDeedOwner(capacity) {
        _checkRange("idlePrice", idlePrice, 1, MAX_SET_PRICE);
        _checkRange("kinkPrice", kinkPrice, idlePrice, MAX_SET_PRICE);
        _checkRange("fullPrice", fullPrice, kinkPrice, MAX_SET_PRICE);
        _checkRange("kinkBps", kinkBps, 1, BPS - 1);
        Curve memory curve = Curve({
            idlePrice: uint80(idlePrice),
            kinkPrice: uint80(kinkPrice),
            fullPrice: uint80(fullPrice),
            kinkBps: uint16(kinkBps)
        });
        _curves[capacity] = curve;
        emit CurveSet(capacity, curve);
    }

    /// @inheritdoc IPricing
    /// @dev The area below the curve over what is taken, divided by what is taken. Prices are below
    /// 2^80; bps of unit-epochs, below 2^47 for any epochs of a capacity's life.
    function quote(
        uint256 capacity,
        uint256 start,
        uint256 end,
        uint256 units
    ) external view returns (uint256 price) {
        Curve memory curve = curveOf(capacity);
        uint256 attested = CAPACITY.attestedUnits(capacity);
        if (attested == 0) return curve.fullPrice;
        (, uint256 leased) = LEASE.occupancyOf(capacity, start, end);

        uint256 epochs = end - start;
        uint256 toKink = epochs * attested * curve.kinkBps;
        uint256 toFull = epochs * attested * (BPS - curve.kinkBps);
        uint256 before = leased * BPS;
        uint256 taken = epochs * units.clamp(1, attested) * BPS;
        uint256 area =
            _areaTo(before + taken, curve, toKink, toFull) - _areaTo(before, curve, toKink, toFull);
        return area.divUp(2 * taken * toKink * toFull);
    }

    /// @inheritdoc IUtilizationPricing
    function curveOf(uint256 capacity) public view returns (Curve memory curve) {
        curve = _curves[capacity];
        require(curve.idlePrice != 0, NotSet(capacity));
    }

    /// @dev The area below the curve from no use to a use of `used`, times 2 × toKink × toFull, so
    /// that it is a whole number: below 2^(1 + 80 + 47 + 46 + 46). All but prices is in bps of
    /// unit-epochs.
    /// @param toKink Use at the kink.
    /// @param toFull From there to full use.
    function _areaTo(
        uint256 used,
        Curve memory curve,
        uint256 toKink,
        uint256 toFull
    ) internal pure returns (uint256) {
        uint256 low = used.min(toKink);
        uint256 high = (used - low).min(toFull);
        uint256 beyond = used - low - high;
        // A trapezoid's double area is its width times the sum of its two heights. The second is
        // the first and width/run of the rise.
        uint256 lowHeights = 2 * toKink * curve.idlePrice;
        lowHeights += (curve.kinkPrice - curve.idlePrice) * low;
        uint256 highHeights = 2 * toFull * curve.kinkPrice;
        highHeights += (curve.fullPrice - curve.kinkPrice) * high;
        return
            low * lowHeights * toFull +
            high * highHeights * toKink +
            2 * beyond * curve.fullPrice * toKink * toFull;
    }
}
