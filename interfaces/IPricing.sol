// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title What a unit of a capacity costs for given epochs
/// @notice A module that a deed owner puts in place of the fixed price.
interface IPricing {
    /// @notice Price per unit and epoch, in base units of the capacity's stablecoin, 1 … 2^82, before
    /// the term's `priceBps` and the price floor. The same in each epoch of the lease.
    /// @param capacity The capacity.
    /// @param start First epoch of the lease; below `end`.
    /// @param end First epoch after it; within the capacity's lifetime.
    /// @param units Units asked for; not checked yet.
    function quote(
        uint256 capacity,
        uint256 start,
        uint256 end,
        uint256 units
    ) external view returns (uint256 price);
}
