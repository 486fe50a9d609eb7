// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Ownable} from "solady/auth/Ownable.sol";
import {ERC20} from "solady/tokens/ERC20.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {ICapacityValuation} from "interfaces/ICapacityValuation.sol";
import {ICollateralOracle} from "interfaces/ICollateralOracle.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IComputeIndex} from "interfaces/IComputeIndex.sol";
import {IComputeLease} from "interfaces/IComputeLease.sol";
import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";
import {IRevenueSplitterFactory} from "interfaces/IRevenueSplitterFactory.sol";
import {EpochClock} from "../libraries/EpochClock.sol";

/// @title What the shares of a capacity are worth
/// @notice See ICapacityValuation for the whole documentation, the formula first of all.
contract CapacityValuation is ICapacityValuation, Ownable {
    using FixedPointMathLib for uint256;

    uint256 internal constant BPS = 1e4;
    uint256 internal constant WAD = 1e18;
    uint256 internal constant MONTHS = 12;
    uint256 internal constant YEAR = 365 days;
    uint256 internal constant WATTS_PER_KILOWATT = 1e3;
    /// @dev Index and power prices carry 8 decimals; this makes them 1e18.
    uint256 internal constant PRICE_TO_WAD = 1e10;
    uint256 internal constant MAX_POWER_PRICE = 5e8;

    /// @dev Besides the constants, what follows from them: how fast a dollar of rent fades, e^(−x)
    /// a year, from price decline and discount together.
    struct ClassSlot {
        ClassTerms terms;
        uint128 fadePerYearWad;
    }

    IComputeCapacity public immutable CAPACITY;
    IComputeLease public immutable LEASE;
    IComputeIndex public immutable INDEX;
    IRevenueSplitterFactory public immutable SPLITTERS;

    mapping(bytes32 hardwareClass => ClassSlot) internal _classes;

    /// @notice Safety rests on: the index is honest; the owner's constants are; no lease undercuts
    /// the price floor; a stablecoin is worth a dollar. Liveness: on the index alone.
    /// @param owner Who sets the constants of classes: a Safe behind a timelock on a real network.
    constructor(
        address owner,
        IComputeCapacity capacity,
        IComputeLease lease,
        IComputeIndex index,
        IRevenueSplitterFactory splitters
    ) {
        require(owner != address(0), BadAddress("owner", owner));
        require(address(capacity) != address(0), BadAddress("capacity", address(0)));
        require(address(lease) != address(0), BadAddress("lease", address(0)));
        require(address(index) != address(0), BadAddress("index", address(0)));
        require(address(splitters) != address(0), BadAddress("splitters", address(0)));
        _initializeOwner(owner);
        CAPACITY = capacity;
        LEASE = lease;
        INDEX = index;
        SPLITTERS = splitters;
    }

    /// @inheritdoc ICapacityValuation
    function setClass(bytes32 hardwareClass, ClassTerms calldata terms) external onlyOwner {
        _checkRange("expectedUseBps", terms.expectedUseBps, 1, BPS);
        _checkRange("monthlyDeclineBps", terms.monthlyDeclineBps, 0, 2000);
        _checkRange("annualDiscountBps", terms.annualDiscountBps, 100, BPS);
        _checkRange("haircutBps", terms.haircutBps, 0, 9000);
        _checkRange("powerPrice", terms.powerPrice, 0, MAX_POWER_PRICE);
        _classes[hardwareClass] = ClassSlot({
            terms: terms,
            fadePerYearWad: uint128(_fadePerYearUp(terms))
        });
        emit ClassSet(hardwareClass, terms);
    }

    /// @inheritdoc ICollateralOracle
    function value(
        address collateral,
        uint256 amount
    ) external view returns (uint256 assets, bool valid) {
        try this.appraise(collateral) returns (Appraisal memory all) {
            uint256 supply = ERC20(collateral).totalSupply();
            if (amount > supply) return (0, false);
            return (all.assets.fullMulDiv(amount, supply), true);
        } catch {
            return (0, false);
        }
    }

    /// @inheritdoc ICapacityValuation
    function appraise(address collateral) external view returns (Appraisal memory all) {
        // Check
        require(SPLITTERS.isSplitter(collateral), NotSplitter(collateral));
        IRevenueSplitter splitter = IRevenueSplitter(collateral);
        uint256 capacity = splitter.CAPACITY_ID();
        IComputeCapacity.CapacityConfig memory config = CAPACITY.configOf(capacity);
        require(
            config.payee == collateral && config.stablecoin == splitter.STABLECOIN(),
            NotPayee(collateral, config.payee, config.stablecoin)
        );
        require(config.priceFloorBps != 0, NoPriceFloor(capacity));
        ClassSlot memory class = _classes[config.hardwareClass];
        require(class.terms.expectedUseBps != 0, ClassUnknown(config.hardwareClass));
        (uint256 index, bool valid) = INDEX.priceOf(config.hardwareClass);
        require(valid, IndexInvalid(config.hardwareClass));

        uint256 perDollar = 10 ** uint256(ERC20(config.stablecoin).decimals());
        all.priceWad = _priceDown(config, index);
        all.energyWad = _energyUp(config, class.terms.powerPrice);
        (all.leasedUnits, all.rentWad) = _leased(capacity, perDollar);
        all.netWad = _netDown(all, config.units, class.terms.expectedUseBps);
        all.annuityWad = _annuityDown(config, class.fadePerYearWad);
        (, uint256 legsBps) = splitter.legs();
        uint256 keptBps = (BPS - legsBps) * (BPS - class.terms.haircutBps);
        uint256 worthWad = all.netWad.mulDiv(all.annuityWad, WAD).mulDiv(keptBps, BPS * BPS);
        all.assets = worthWad.mulDiv(perDollar, WAD);
    }

    /// @inheritdoc ICapacityValuation
    function classOf(bytes32 hardwareClass) external view returns (ClassTerms memory) {
        return _classes[hardwareClass].terms;
    }

    /// @dev index × accelerators × hours × floor: below 2^96 · 2^13 · 2^20 · 2^14 · 2^34.
    function _priceDown(
        IComputeCapacity.CapacityConfig memory config,
        uint256 index
    ) internal pure returns (uint256) {
        uint256 perEpoch = index * config.acceleratorsPerUnit * config.epochLength;
        return (perEpoch * config.priceFloorBps).mulDiv(PRICE_TO_WAD, 1 hours * BPS);
    }

    /// @dev watts × PUE × hours × price of a kilowatt-hour.
    function _energyUp(
        IComputeCapacity.CapacityConfig memory config,
        uint256 powerPrice
    ) internal pure returns (uint256) {
        uint256 wattSeconds = uint256(config.wattsPerUnit) * config.pueBps * config.epochLength;
        return
            (wattSeconds * powerPrice).mulDivUp(PRICE_TO_WAD, 1 hours * BPS * WATTS_PER_KILOWATT);
    }

    /// @dev What is let, at what rent on average, by the newest settled epoch.
    function _leased(
        uint256 capacity,
        uint256 perDollar
    ) internal view returns (uint256 units, uint256 rentWadDown) {
        (uint256 nextEpoch, uint256 rate) = LEASE.settledTo(capacity);
        if (nextEpoch == 0) return (0, 0);
        units = LEASE.unitsLeasedAt(capacity, nextEpoch - 1);
        if (units != 0) rentWadDown = rate.mulDiv(WAD, units * perDollar);
    }

    function _netDown(
        Appraisal memory all,
        uint256 units,
        uint256 useBps
    ) internal pure returns (uint256) {
        uint256 free = all.priceWad.mulDiv(useBps, BPS).zeroFloorSub(all.energyWad);
        uint256 rent = FixedPointMathLib.min(all.priceWad, all.rentWad);
        uint256 leased = rent.mulDiv(useBps, BPS).zeroFloorSub(all.energyWad);
        return (units - all.leasedUnits) * free + all.leasedUnits * leased;
    }

    /// @dev d · q · (1 − qᴺ) / (1 − q). Each power is good to one part in 10^18; one more part is
    /// taken off, or put on where the result falls with it.
    function _annuityDown(
        IComputeCapacity.CapacityConfig memory config,
        uint256 fadePerYear
    ) internal view returns (uint256) {
        uint256 first = EpochClock.firstUnbegun(config.origin, config.epochLength, block.timestamp);
        if (first >= config.lifetimeEpochs) return 0;
        uint256 beginsAt = config.origin + first * config.epochLength;
        uint256 span = (config.lifetimeEpochs - first) * config.epochLength;

        uint256 oneDown = _powDown(fadePerYear, config.epochLength);
        uint256 lastUp = _powDown(fadePerYear, span) + 3;
        uint256 waitDown = _powDown(fadePerYear, beginsAt - block.timestamp);
        return WAD.zeroFloorSub(lastUp).mulDiv(oneDown, WAD - oneDown).mulDiv(waitDown, WAD);
    }

    /// @dev e^(−fade × time). Between 0 and 3 parts in 10^18 below the truth: one each from the
    /// exponent's rounding, the power's own error, and the part taken off for that.
    function _powDown(uint256 fadePerYear, uint256 time) internal pure returns (uint256) {
        uint256 exponentUp = fadePerYear.mulDivUp(time, YEAR);
        // At most 5 a year times 131,071 weeks: far inside int256.
        return uint256(FixedPointMathLib.expWad(-int256(exponentUp))).zeroFloorSub(1);
    }

    /// @dev −12 · ln(1 − monthly decline) + ln(1 + discount), each rounded up; at most 3.4 · 10^18.
    function _fadePerYearUp(ClassTerms calldata terms) internal pure returns (uint256) {
        uint256 keptWad = (BPS - terms.monthlyDeclineBps) * (WAD / BPS);
        uint256 declineUp = MONTHS * uint256(1 - FixedPointMathLib.lnWad(int256(keptWad)));
        uint256 grownWad = (BPS + terms.annualDiscountBps) * (WAD / BPS);
        return declineUp + uint256(FixedPointMathLib.lnWad(int256(grownWad)) + 1);
    }

    function _checkRange(bytes32 field, uint256 value_, uint256 min, uint256 max) internal pure {
        require(value_ >= min && value_ <= max, OutOfRange(field, value_, min, max));
    }
}
