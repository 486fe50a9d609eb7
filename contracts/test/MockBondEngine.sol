// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IBondEngine} from "interfaces/IBondEngine.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IServiceBond} from "interfaces/IServiceBond.sol";
import {EpochClock} from "../libraries/EpochClock.sol";

/// @title A lease engine that does what it is told, and no more
/// @notice Says how far things are settled and leased, passes penalties on to the bond, and owes
/// splitters what it is told, out of its own balance.
contract MockBondEngine is IBondEngine {
    using SafeTransferLib for address;

    struct Book {
        uint40 settledTo;
        uint40 leasedTo;
        uint40 penaltySpan;
        uint256 earned;
        uint256 released;
    }

    IComputeCapacity public immutable CAPACITY;
    IServiceBond public immutable BOND;

    mapping(uint256 capacity => Book) internal _booksOf;

    constructor(IComputeCapacity capacity, IServiceBond bond) {
        CAPACITY = capacity;
        BOND = bond;
    }

    /// @notice `penaltySpan` is the time after an epoch's end until which penalties can be added.
    function set(
        uint256 capacity,
        uint40 newSettledTo,
        uint40 newLeasedTo,
        uint40 penaltySpan
    ) external {
        Book storage book = _booksOf[capacity];
        book.settledTo = newSettledTo;
        book.leasedTo = newLeasedTo;
        book.penaltySpan = penaltySpan;
    }

    function reserve(
        uint256 capacity,
        uint256 epoch,
        uint256 wanted
    ) external returns (uint256 reserved) {
        return BOND.reserve(capacity, epoch, wanted);
    }

    function pay(uint256 capacity, uint256 epoch, address receiver, uint256 amount) external {
        BOND.pay(capacity, epoch, receiver, amount);
    }

    function free(uint256 capacity, uint256 epoch) external returns (uint256 amount) {
        return BOND.free(capacity, epoch);
    }

    /// @notice Owes `amount` more to the payee. The money must be sent here besides.
    function earn(uint256 capacity, uint256 amount) external {
        _booksOf[capacity].earned += amount;
    }

    function release(uint256 capacity) external returns (uint256 amount) {
        Book storage book = _booksOf[capacity];
        amount = book.earned - book.released;
        if (amount == 0) return 0;
        book.released += amount;
        (address payee, address stablecoin) = CAPACITY.payeeOf(capacity);
        stablecoin.safeTransfer(payee, amount);
    }

    function netRevenueOf(uint256 capacity) external view returns (uint256) {
        return _booksOf[capacity].earned;
    }

    function revenueTotals(
        uint256 capacity
    ) external view returns (uint256 earned, uint256 released) {
        return (_booksOf[capacity].earned, _booksOf[capacity].released);
    }

    function settledTo(uint256 capacity) external view returns (uint256 nextEpoch, uint256 rate) {
        return (_booksOf[capacity].settledTo, 0);
    }

    function leasedTo(uint256 capacity) external view returns (uint256) {
        return _booksOf[capacity].leasedTo;
    }

    function penaltyDeadlineOf(uint256 capacity, uint256 epoch) external view returns (uint256) {
        IComputeCapacity.ServiceLevel memory level = CAPACITY.serviceLevelOf(capacity);
        return
            EpochClock.endOf(level.origin, level.epochLength, epoch) +
            _booksOf[capacity].penaltySpan;
    }
}
