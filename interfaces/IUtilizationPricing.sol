// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IComputeLease} from "interfaces/IComputeLease.sol";
import {IPricingModule} from "interfaces/IPricingModule.sol";

/// @title The fuller the asked epochs, the dearer
/// @notice Units of the asked epochs are priced one after the other. The next one costs `idlePrice`
/// where nothing is leased; that rises straight to `kinkPrice` at a use of `kinkBps`, from there
/// straight to `fullPrice` at full use. A lease's price is the mean over what it takes, rounded up.
/// @dev Use is the mean over the asked epochs: unit-epochs leased / (epochs × attested units). The
/// mean over what a lease takes, instead of the price where it ends, makes the size of an order
/// neutral: the same units for the same epochs cost the same at once or in parts, but for less than
/// one base unit per unit and epoch of rounding. Parts in time are priced by the use of their own
/// epochs, and so may cost more or less than the whole.
///
/// Beyond full use every unit costs `fullPrice`; so do units that are taken from spot leases there.
/// Asking for 0 units is answered as for 1, for more than are attested as for all of them; where
/// none are attested, with `fullPrice`.
///
/// Leases of the deed owner count like any others. He can push the use up by paying rent to
/// himself; what tenants rely on is the most that they agree to pay.
interface IUtilizationPricing is IPricingModule {
    /// @notice Base units of the capacity's stablecoin per unit and epoch, up to 2^80 − 1.
    /// @param idlePrice Where nothing is leased, at least 1.
    /// @param kinkPrice At the kink, at least `idlePrice`.
    /// @param fullPrice At full use, at least `kinkPrice`.
    /// @param kinkBps Use at the kink, in bps, 1 … 9,999.
    struct Curve {
        uint80 idlePrice;
        uint80 kinkPrice;
        uint80 fullPrice;
        uint16 kinkBps;
    }

    /// @param capacity The capacity.
    /// @param curve How it is priced from now on.
    event CurveSet(uint256 indexed capacity, Curve curve);

    /// @notice Sets the curve of a capacity; see the struct for bounds. Deed owner only.
    function setCurve(
        uint256 capacity,
        uint256 idlePrice,
        uint256 kinkPrice,
        uint256 fullPrice,
        uint256 kinkBps
    ) external;

    /// @notice The curve of a capacity. Reverts with `NotSet`.
    function curveOf(uint256 capacity) external view returns (Curve memory);

    /// @notice Where it is known what is leased.
    function LEASE() external view returns (IComputeLease);
}
