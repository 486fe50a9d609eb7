// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ILeaseEdits} from "interfaces/ILeaseEdits.sol";
import {ILeaseRenderer} from "interfaces/ILeaseRenderer.sol";
import {ILeaseSettlement} from "interfaces/ILeaseSettlement.sol";

/// @title The lease of compute (ERC-721)
/// @notice One token is the right to `units` of a capacity for epochs [start, end) at a rent fixed
/// when signed. Whoever holds the token is the tenant; unclaimed credit goes with it.
/// @dev The tenant's rent waits in escrow here, is earned epoch by epoch as reports settle, and then
/// belongs to the capacity's payee. Settlement costs the same for one lease and for ten thousand.
///
/// Time. `current` is the epoch now running. Every edit of calendar and rent schedule touches epochs
/// above it only, so that settlement may lag behind without any of it coming out wrong.
///
/// Funding. A lease is paid up to `fundedTo`. Until the last `depositEpochs` of its term are all that
/// is left, these are held as a deposit; then the deposit pays them and `fundedTo` is `end`. Once
/// current ≥ fundedTo and fundedTo < end the lease has lapsed: nobody can fund or edit it any more,
/// and anyone may call `lapse`. From then on it stands as one that ended at `fundedTo`.
interface IComputeLease is ILeaseEdits, ILeaseSettlement {
    // ------------------------------------------------------------------ signing

    /// @notice Signs a lease and takes from the caller the rent of its first max(1, noticeEpochs)
    /// epochs and its deposit; of the whole term where that is not more.
    /// @dev Safety rests on: the stablecoin moves exactly what it says. Liveness rests on nothing:
    /// every epoch can be settled by anyone, whatever the attestors and the operator do.
    /// @return leaseId capacity × 10^9 + a count from 1.
    function lease(LeaseRequest calldata request) external returns (uint256 leaseId);

    /// @notice `lease` that first takes the missing units from spot leases.
    /// @dev In the order given, each victim gives only units that are still missing in epochs that it
    /// holds, if its signed rent per unit is at least 5 % below the new one; one that is not needed
    /// is left alone. What is taken ends at the later of the victim's start and the new lease's, or
    /// where its funding ends if that is earlier; all that was paid beyond is credited to the
    /// holder, the deposit included. If only some of its units are taken, these become a lease of
    /// their own, split off it. Where more units are leased than are attested by now, nobody gives
    /// any, and nothing can be signed. A lease that has evicted owes at least one epoch, whatever its term's
    /// notice. Gas grows with the victims, which the caller chooses.
    function leaseEvicting(
        LeaseRequest calldata request,
        uint256[] calldata victims
    ) external returns (uint256 leaseId);

    /// @notice `lease`, with the caller's EIP-2612 permit for the capacity's stablecoin.
    /// @dev A permit that somebody has brought already does no harm: then the allowance stands.
    function leaseWithPermit(
        LeaseRequest calldata request,
        Permit calldata permit
    ) external returns (uint256 leaseId);

    /// @notice Brings the caller's EIP-2612 permit for a capacity's stablecoin, to go before `topUp` or
    /// others in one `multicall`. Does nothing where the token refuses it.
    function permitStablecoin(uint256 capacity, Permit calldata permit) external;

    // ------------------------------------------------------------------ paying on

    /// @notice Pays for `epochs` more. Anyone, for any lease. Only while current < fundedTo.
    /// @dev Up to the epochs that the deposit pays; when only these are left, it does.
    /// @return paid Base units taken from the caller.
    function topUp(uint256 leaseId, uint256 epochs) external returns (uint256 paid);

    // ------------------------------------------------------------------ using

    /// @notice ERC-4907: who was granted the use of the lease; zero once that has expired.
    function userOf(uint256 tokenId) external view returns (address);

    /// @notice ERC-4907: until when; also once it is past.
    function userExpires(uint256 tokenId) external view returns (uint256);

    /// @notice Whether `who` may use the leased units now: an epoch of the lease is running and paid
    /// for, and `who` is its user or, where there is none, its holder. Never reverts.
    function isActive(uint256 leaseId, address who) external view returns (bool);

    /// @notice Transfers the lease if it is as the buyer expects. See `stateOf`.
    function transferFrom(
        address from,
        address to,
        uint256 leaseId,
        bytes32 expectedState
    ) external;

    /// @notice keccak256(abi.encode(leaseOf(leaseId), userOf(leaseId), userExpires(leaseId))), the user
    /// and his expiry as 0 once expired: all of a lease that a holder could change before a sale, but
    /// for the penalties that he claims (see `claimableOf`).
    function stateOf(uint256 leaseId) external view returns (bytes32);

    // ------------------------------------------------------------------ paying out

    /// @notice Moves what is earned and not yet released to the capacity's payee. Anyone.
    /// @return amount Base units moved; 0 if there is nothing.
    function release(uint256 capacity) external returns (uint256 amount);

    /// @notice Pays the lease's credits of all settled epochs. Holder or approved only.
    /// @return amount Base units moved, rounded down; 0 if there is nothing.
    function claimCredit(uint256 leaseId, address receiver) external returns (uint256 amount);

    /// @notice Pays the caller's refund to any address he names.
    /// @return amount Base units moved; 0 if there is nothing.
    function withdrawRefund(address stablecoin, address receiver) external returns (uint256 amount);

    // ------------------------------------------------------------------ views

    /// @notice The code of `ILeaseEdits`.
    function EDITS() external view returns (address);

    /// @notice The code of `ILeaseSettlement`.
    function SETTLEMENT() external view returns (address);

    /// @notice What draws leases.
    function RENDERER() external view returns (ILeaseRenderer);

    /// @notice The lease. Reverts with `UnknownLease`.
    function leaseOf(uint256 leaseId) external view returns (Lease memory);

    /// @notice The capacity that a lease is of: leaseId / 10^9.
    function capacityOf(uint256 leaseId) external pure returns (uint256);

    /// @notice What `lease` would charge now; reverts as it would, but for payment and free units.
    /// @return rent Rent per unit and epoch.
    /// @return paid Base units to pay at signing.
    /// @return missing Units that are not free in the epoch where fewest are: 0, or spot leases would
    /// have to be evicted.
    function quote(
        LeaseRequest calldata request
    ) external view returns (uint256 rent, uint256 paid, uint256 missing);

    /// @notice What `terminate` would do now, but for who may call it and the user's right.
    function terminationOf(uint256 leaseId) external view returns (Settlement memory);

    /// @notice Base units held as the lease's deposit: 0 once it pays the last epochs.
    function depositOf(uint256 leaseId) external view returns (uint256);

    /// @notice What `claimCredit` would pay now.
    function creditOf(uint256 leaseId) external view returns (uint256);

    /// @notice What `withdrawRefund` would pay now.
    function refundOf(address stablecoin, address account) external view returns (uint256);

    /// @notice Whether the lease took units from spot leases: it owes at least its first epoch. No event
    /// of its own says so: in one call, `LeaseEnded` of those evicted come before `Leased`.
    function hasEvicted(uint256 leaseId) external view returns (bool);

    /// @notice Net rent ever earned by the payee of a capacity, released or not, forfeited deposits
    /// included. Never falls.
    function netRevenueOf(uint256 capacity) external view returns (uint256);

    /// @notice Net rent ever earned, and how much of it has been released.
    function revenueTotals(
        uint256 capacity
    ) external view returns (uint256 earned, uint256 released);

    /// @notice The next epoch to settle, and the total rent of the one before it.
    function settledTo(uint256 capacity) external view returns (uint256 nextEpoch, uint256 rate);

    /// @notice How many leases a capacity ever had, what tenants paid in less what was credited to
    /// refunds and bounties, and what they got back as credits.
    function accountOf(
        uint256 capacity
    ) external view returns (uint256 leases, uint256 paidIn, uint256 creditsPaid);

    /// @notice Whether a report of an epoch was kept for its turn. It stays so once that is settled.
    function isRecorded(uint256 capacity, uint256 epoch) external view returns (bool);

    /// @notice No epoch from this one on is leased: where the last lease ever signed ends, or lower if
    /// `trim` found that out.
    function leasedTo(uint256 capacity) external view returns (uint256);

    /// @notice Whether new leases are barred, the newest settled epoch being in penalty.
    function isBarred(uint256 capacity) external view returns (bool);

    /// @notice Last reading and moving averages.
    function performanceOf(uint256 capacity) external view returns (Performance memory);

    /// @notice What an epoch in penalty has reserved for its tenants, per unit, and how it stands.
    function penaltyOf(uint256 capacity, uint256 epoch) external view returns (Penalty memory);

    /// @notice Base units that `claimPenalty` would pay for the lease and epoch; 0 while, or where, it
    /// would not.
    function claimableOf(uint256 leaseId, uint256 epoch) external view returns (uint256);

    /// @notice From this time on no penalty can be added for the epoch, if it is settled.
    function penaltyDeadlineOf(uint256 capacity, uint256 epoch) external view returns (uint256);

    /// @notice Epochs given to the grid in the 30 days from `origin` + month × 30 days on.
    function curtailedIn(uint256 capacity, uint256 month) external view returns (uint256);

    /// @notice Units leased in `epoch`.
    function unitsLeasedAt(uint256 capacity, uint256 epoch) external view returns (uint256);

    /// @notice The most units leased in any epoch of [from, to), and the sum over all of them; one pass,
    /// sixteen epochs at a time. Both 0 where from ≥ to.
    function occupancyOf(
        uint256 capacity,
        uint256 from,
        uint256 to
    ) external view returns (uint256 peak, uint256 unitEpochs);

    /// @notice Change of the capacity's total rent at `epoch`.
    function rentDeltaAt(uint256 capacity, uint256 epoch) external view returns (int256);

    /// @notice Sum of the credits, in bps, of all settled epochs below `epoch`.
    function creditSumBelow(uint256 capacity, uint256 epoch) external view returns (uint256);

    /// @notice The first epoch that has not begun: the earliest start of a new lease.
    function nextEpochToBegin(uint256 capacity) external view returns (uint256);
}
