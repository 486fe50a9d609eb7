// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IPricing} from "interfaces/IPricing.sol";

/// @title What every pricing module of Derrick has in common
/// @notice One module serves all capacities. The owner of a deed sets the parameters of its
/// capacity here and then names the module by `IComputeCapacity.setPricing`. Nobody else has a say.
/// @dev Parameters stay when the deed is sold; from then on the new owner sets them. They can
/// change at any time and count for leases signed later: tenants pass the most that they pay. For an
/// unknown capacity, setters answer with the deeds' own `TokenDoesNotExist()`.
interface IPricingModule is IPricing {
    /// @dev `caller` does not own the deed of `capacity`.
    error NotDeedOwner(uint256 capacity, address caller);
    /// @dev The deed owner has not set any parameters yet.
    error NotSet(uint256 capacity);
    /// @dev A parameter, or the price that comes of it, named by `field`, is not `min` … `max`.
    error OutOfRange(bytes32 field, uint256 value, uint256 min, uint256 max);
    /// @dev An address that must be set is zero, or a contract of another market.
    error BadAddress(bytes32 field, address value);

    /// @notice Where deeds and their figures are known.
    function CAPACITY() external view returns (IComputeCapacity);
}
