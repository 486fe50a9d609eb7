// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {ILeaseTypes} from "interfaces/ILeaseTypes.sol";

/// @title How far a lease is paid, and what ending it moves
/// @notice Pure arithmetic in epochs; see "Funding" in IComputeLease.
library Funding {
    using FixedPointMathLib for uint256;

    /// @notice How many epochs are paid at signing, and up to which epoch that funds the lease.
    function atSigning(
        uint256 start,
        uint256 end,
        uint256 notice,
        uint256 deposit
    ) internal pure returns (uint256 epochs, uint256 fundedTo) {
        uint256 ahead = notice.max(1);
        if (deposit + ahead >= end - start) return (end - start, end);
        return (deposit + ahead, start + ahead);
    }

    /// @notice How many epochs more the lease can be funded for.
    function open(ILeaseTypes.Lease memory self) internal pure returns (uint256) {
        return self.fundedTo == self.end ? 0 : self.end - self.depositEpochs - self.fundedTo;
    }

    /// @notice Epochs of rent held as deposit.
    function held(ILeaseTypes.Lease memory self) internal pure returns (uint256) {
        return self.fundedTo == self.end ? 0 : self.depositEpochs;
    }

    /// @notice Whether it was not paid on in time. `earliest` is the first epoch that has not begun.
    function isLapsed(
        ILeaseTypes.Lease memory self,
        uint256 earliest
    ) internal pure returns (bool) {
        return self.fundedTo < self.end && self.fundedTo < earliest;
    }

    /// @notice Ending at `stop` by the tenant's own will: the deposit pays the last epochs of the term
    /// if they are still due, and is forfeited otherwise.
    /// @dev Needs a lease that has not lapsed and `stop` ≤ end.
    function endedByTenant(
        ILeaseTypes.Lease memory self,
        uint256 stop
    ) internal pure returns (ILeaseTypes.Settlement memory moved) {
        uint256 deposited = uint256(self.end) - self.depositEpochs;
        uint256 paidTo = deposited.min(self.fundedTo);
        moved.end = stop;
        moved.due = stop.min(deposited).zeroFloorSub(paidTo);
        moved.refunded = paidTo.zeroFloorSub(stop);
        moved.forfeited = (self.end - stop).min(self.depositEpochs);
    }

    /// @notice Ending at `stop` without the tenant's fault: all that is paid beyond goes back.
    /// @dev Needs `stop` ≤ fundedTo.
    function endedForTenant(
        ILeaseTypes.Lease memory self,
        uint256 stop
    ) internal pure returns (ILeaseTypes.Settlement memory moved) {
        moved.end = stop;
        moved.refunded = self.fundedTo - stop + held(self);
    }
}
