// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ILeaseTypes} from "interfaces/ILeaseTypes.sol";

/// @title How a signed lease is ended, split, merged and handed to a user
/// @notice All of it is called on the lease engine, which runs LeaseEdits in its own context.
interface ILeaseEdits is ILeaseTypes {
    /// @notice Closes a lease that was not paid on: frees its units for all epochs that have not begun
    /// and forfeits its deposit, 1 % of it (rounded down) to the caller's refund, the rest to the
    /// payee. Anyone, at any time after; what is due to whom does not depend on when.
    /// @return bounty Base units credited to the caller.
    function lapse(uint256 leaseId) external returns (uint256 bounty);

    /// @notice Ends the lease by notice. Holder or approved only. Rent is due up to max(start,
    /// current + 1) + noticeEpochs, capped at `end` (and for a lease that has evicted through its
    /// first epoch); what is lacking is taken from the caller, the deposit that does not pay epochs
    /// still due is forfeited to the payee, the rest credited to the holder's refund.
    /// @dev Not while somebody else may use it for longer than it would last.
    function terminate(uint256 leaseId) external returns (Settlement memory moved);

    /// @notice Ends the lease after the running epoch where its credits over its last ten settled
    /// epochs sum to at least 50,000 bps: half of ten epochs' rent, however few are settled. All that
    /// was paid beyond is credited to the holder's refund, the deposit included. Holder or approved.
    /// @dev Not while somebody else may use it for longer than it would last.
    function exitForCause(uint256 leaseId) external returns (Settlement memory moved);

    /// @notice Ends a spot lease after the running epoch, or before it starts. Deed owner only. All
    /// that was paid beyond is credited to the holder's refund, the deposit included.
    function preempt(uint256 leaseId) external returns (Settlement memory moved);

    /// @notice Splits `units` off into a lease of their own, held by the same holder under the same
    /// conditions, and used by the same user. Holder or approved only. Accrued credit goes into the
    /// holder's refund first.
    /// @param units 1 … the lease's less one.
    /// @return part The new lease.
    function splitUnits(uint256 leaseId, uint256 units) external returns (uint256 part);

    /// @notice Splits the lease in time: it keeps the epochs below `epoch`, the new one has the rest and
    /// the deposit. Holder or approved only. Accrued credit goes into the holder's refund first.
    /// @dev The first part is fully funded, so its own last epochs are its deposit.
    /// @param epoch start + 1 … the lower of `fundedTo` and end − 1.
    /// @return part The new lease.
    function splitAt(uint256 leaseId, uint256 epoch) external returns (uint256 part);

    /// @notice Merges `part` into `leaseId` and burns it: two leases of one holder, capacity, term, rent
    /// and user, either side by side (same epochs, funding and deposit: the units add up) or one
    /// after the other (same units; `part` starts where `leaseId` ends, fully funded; together they are no
    /// longer than their term allows). Holder or approved of both. Accrued credit of both goes into
    /// the holder's refund first.
    /// @dev Not after another lease while `part` still owes its first epoch for having evicted: the
    /// whole would owe an earlier one.
    function merge(uint256 leaseId, uint256 part) external;

    /// @notice ERC-4907: lets `user` use the lease up to and including the second `expires`. Holder or
    /// approved only.
    /// @dev As ERC-7432 wants it: survives transfer, split and merger, and nobody but the user can end
    /// it before, not even by ending the lease. Preemption, eviction and lapse end it with the lease,
    /// whose last second is then its last.
    function setUser(uint256 tokenId, address user, uint64 expires) external;

    /// @notice Gives up the right to use the lease. Its user only.
    function renounceUser(uint256 leaseId) external;
}
