// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ICollateralOracle} from "interfaces/ICollateralOracle.sol";

/// @title What the shares of a capacity are worth
/// @notice value of all shares = (1 − legs) × (1 − haircut) × annuity
///   × Σ over units of max(0, price × expected use − energy cost), per unit and epoch, where
/// * price = index × accelerators × hours × the capacity's price floor, which no lease may
/// undercut;
///   a leased unit counts the average rent of the newest settled epoch instead, if that is lower;
/// * energy cost = watts × PUE × hours × power price;
/// * annuity = what 1 USD at the end of each epoch that has not begun is worth today:
///   d · q · (1 − qᴺ) / (1 − q), with q = the fall of one epoch by price decline and discount, N
///   such epochs, and d = the fall until the first of them begins.
/// Rent in escrow is never counted: a tenant who is the operator himself gets it back as credit
/// by stopping the machine.
/// @dev All math in USD, 1e18, rounded down at every step (costs and discounts up). One unit of the
/// settlement stablecoin counts as one USD.
interface ICapacityValuation is ICollateralOracle {
    /// @notice Constants of a hardware class.
    /// @param expectedUseBps Share of its units that is let in the long run, in bps, 1 … 10,000.
    /// @param monthlyDeclineBps By how much its price falls in a month, in bps, at most 2,000.
    /// @param annualDiscountBps Yearly discount rate, in bps, 100 … 10,000.
    /// @param haircutBps Taken off the result, in bps, at most 9,000.
    /// @param powerPrice USD per kilowatt-hour, 8 decimals, at most 5 USD.
    struct ClassTerms {
        uint16 expectedUseBps;
        uint16 monthlyDeclineBps;
        uint16 annualDiscountBps;
        uint16 haircutBps;
        uint32 powerPrice;
    }

    /// @notice How the worth of a capacity's shares comes about.
    /// @param priceWad USD per unit and epoch at the price floor.
    /// @param energyWad USD of power per unit and epoch.
    /// @param leasedUnits Units leased in the newest settled epoch.
    /// @param rentWad USD of rent per leased unit in that epoch; 0 if nothing was leased.
    /// @param netWad USD per epoch of all units together, after power.
    /// @param annuityWad What 1 USD an epoch, to the end of the capacity's life, is worth now.
    /// @param assets All shares together, in base units.
    struct Appraisal {
        uint256 priceWad;
        uint256 energyWad;
        uint256 leasedUnits;
        uint256 rentWad;
        uint256 netWad;
        uint256 annuityWad;
        uint256 assets;
    }

    /// @param hardwareClass The accelerator class.
    /// @param terms Its constants from now on.
    event ClassSet(bytes32 indexed hardwareClass, ClassTerms terms);

    /// @dev An address that must be set is zero.
    error BadAddress(bytes32 field, address value);
    /// @dev A constant, named by `field`, lies outside `min` … `max`.
    error OutOfRange(bytes32 field, uint256 value, uint256 min, uint256 max);
    /// @dev `token` is no splitter of the known factory.
    error NotSplitter(address token);
    /// @dev The splitter's capacity pays its rent elsewhere, or in another stablecoin.
    error NotPayee(address collateral, address payee, address stablecoin);
    /// @dev The capacity has no price floor, so nothing bounds its rent from below.
    error NoPriceFloor(uint256 capacity);
    /// @dev The owner has not set the constants of this hardware class.
    error ClassUnknown(bytes32 hardwareClass);
    /// @dev The index of the hardware class is stale, broken or missing.
    error IndexInvalid(bytes32 hardwareClass);

    /// @notice Sets the constants of a hardware class. Owner only, within the bounds of the struct.
    function setClass(bytes32 hardwareClass, ClassTerms calldata terms) external;

    /// @notice The constants of a class; all 0 if unknown.
    function classOf(bytes32 hardwareClass) external view returns (ClassTerms memory);

    /// @notice How the worth of a capacity's shares comes about. Reverts where `value` says
    /// invalid.
    function appraise(address collateral) external view returns (Appraisal memory);
}
