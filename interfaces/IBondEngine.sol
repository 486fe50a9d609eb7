// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IServiceBond} from "interfaces/IServiceBond.sol";

/// @title What the service bond needs to know of the lease engine that draws on it
/// @notice The engine alone reserves, pays and frees; the bond lets nobody leave before the engine
/// says that nothing more can come of the epochs he answers for.
/// @dev Safety of the bond rests on: `settledTo` never falls; every epoch below it that had a
/// penalty has been reserved, but for what can be added until its `penaltyDeadlineOf`; nothing is
/// leased from `leasedTo` on, and new leases start in epochs that have not begun. None of these may
/// revert for a known capacity. Releasing rent to a payee must not call the bond: `collect` does
/// that while the bond is locked.
interface IBondEngine {
    /// @notice The deeds; the same as the bond's.
    function CAPACITY() external view returns (IComputeCapacity);

    /// @notice The bond that the engine draws on.
    function BOND() external view returns (IServiceBond);

    /// @notice All epochs below `nextEpoch` are settled. `rate` is the rent of the newest.
    function settledTo(uint256 capacity) external view returns (uint256 nextEpoch, uint256 rate);

    /// @notice No epoch from this one on is leased. An upper bound: where leases ended early, anyone
    /// can lower it in the engine.
    function leasedTo(uint256 capacity) external view returns (uint256);

    /// @notice Unix time from which on no penalty can be added any more for `epoch` or any before it.
    /// Must not fall as `epoch` rises.
    function penaltyDeadlineOf(uint256 capacity, uint256 epoch) external view returns (uint256);
}
