// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ILeaseTypes} from "interfaces/ILeaseTypes.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";

/// @title How epochs are settled, and what a fault costs
/// @notice All of it is called on the lease engine, which settles a healthy epoch itself and runs
/// LeaseSettlement in its own context for the rest. Anyone may call anything here but `claimPenalty`.
///
/// Service. An epoch's uptime gives its tenants the credit of the tier it falls into. An uptime below
/// `penaltyBelowBps` is a penalty too: `penaltyPerUnit` for each leased unit, set aside from the
/// capacity's bond at that moment, less if the bond has less, to be claimed by whoever holds the
/// leases. A curtailed epoch has the declared credit and no penalty, as often in 30 days as was
/// declared; beyond, and in settlement's order, it counts like any other.
///
/// Silence. Where a root stands and nobody showed the capacity's report in time, all rent goes back; a
/// penalty found in that report can be added for a while after. Where no root stands, the outage is the
/// attestors': the declared blackout credit goes back.
interface ILeaseSettlement is ILeaseTypes {
    /// @notice Settles the next epoch of a capacity from its report.
    /// @dev Credit is rounded up, so that tenants as a whole never lose a base unit.
    function settle(ITelemetryOracle.Report calldata report, bytes32[] calldata proof) external;

    /// @notice Settles many reports of one window of one set by one proof: any capacities, any epochs.
    /// @dev A report whose turn has not come is kept; one of an epoch that is settled or kept already
    /// is passed over, so that nobody who was faster stops the rest. Reports and their proof stand as
    /// OpenZeppelin's `getMultiProof` gives them; in a tree ordered by epoch that is settlement's order.
    /// @param root All 32 bytes of the window's root, of which the oracle keeps the first 27.
    /// @param reports At least one, or nothing happens. The first says of which window all are.
    /// @param proof Siblings of the reports' leaves.
    /// @param proofFlags Whether each parent is of two known nodes, or of one and the next sibling.
    function settleMany(
        bytes32 root,
        ITelemetryOracle.Report[] calldata reports,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) external;

    /// @notice Keeps a report whose epoch's turn has not come, so that it never expires.
    /// @dev While an earlier epoch is open, time to show later reports runs on: a report left out of
    /// one window must not cost those of the next.
    function record(ITelemetryOracle.Report calldata report, bytes32[] calldata proof) external;

    /// @notice Settles the next epoch without a report in hand: by the one that was kept, or, once
    /// none can come, with full credit if the attestors spoke but nobody showed a report, else at the
    /// declared blackout credit.
    function settleMissing(uint256 capacity) external;

    /// @notice Passes epochs in which nothing is leased, up to but not including `to`.
    /// @dev Gas grows with (to − next) / 16; the caller chooses `to`.
    function passIdle(uint256 capacity, uint256 to) external;

    /// @notice Adds the penalty of an epoch that was settled since nobody showed its report in time; if
    /// that was curtailed, and an epoch of its 30 days may still be, it counts as one instead.
    /// @dev From when reports can no longer be shown up to `penaltyDeadlineOf`.
    function addPenalty(ITelemetryOracle.Report calldata report, bytes32[] calldata proof) external;

    /// @notice Pays what an epoch in penalty owes to a lease's units, from the bond. Holder or
    /// approved only; once per lease and epoch, parts split off later counting as the whole did.
    /// @dev Not while the penalties of a window in which very many failed wait, and not if waived.
    /// @return amount Base units moved, rounded down.
    function claimPenalty(
        uint256 leaseId,
        uint256 epoch,
        address receiver
    ) external returns (uint256 amount);

    /// @notice Gives what is left of an epoch's penalty back to the bond: if it was waived, or a year
    /// after the epoch's end.
    /// @return amount Base units given back.
    function freePenalty(uint256 capacity, uint256 epoch) external returns (uint256 amount);

    /// @notice Lowers `leasedTo` where leases ended early: nothing from `to` on is leased.
    /// @dev Gas grows with (leasedTo − to) / 16; the caller chooses `to`.
    function trim(uint256 capacity, uint256 to) external;
}
