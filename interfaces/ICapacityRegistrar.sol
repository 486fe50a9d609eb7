// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";
import {IRevenueSplitterFactory} from "interfaces/IRevenueSplitterFactory.sol";

/// @title Registers a capacity together with its revenue splitter
/// @notice One transaction: the deed and all shares go to the caller, the capacity names the
/// splitter as its payee, and the splitter names the capacity. Holds nothing, keeps nothing, needs
/// no approval.
interface ICapacityRegistrar {
    /// @notice How the revenue is split.
    /// @param supply Shares, in their smallest part (18 decimals), 1 … 10^27; all go to the caller.
    /// @param legs Up to 7 fixed parts before the shares; see `IRevenueSplitterFactory`.
    /// @param maxProtocolBps The most that the caller lets the protocol take, in bps.
    struct RevenueSplit {
        uint256 supply;
        IRevenueSplitter.Leg[] legs;
        uint256 maxProtocolBps;
    }

    /// @dev The payee is the splitter, so the configuration must leave it zero.
    error PayeeGiven(address payee);

    /// @notice Registers a capacity whose payee is a new splitter. Open to anyone.
    /// @dev Reverts as `IComputeCapacity.register` and `IRevenueSplitterFactory.create` do. Both
    /// ids are known within the transaction only, so nobody can come in between.
    /// @param config All that is fixed for good, the payee left zero.
    /// @param terms Conditions that leases can be signed under.
    /// @param price Rent per unit and epoch before a term's `priceBps`, in base units.
    /// @param split How the revenue is split.
    /// @return capacity The id.
    /// @return splitter Its payee.
    function register(
        IComputeCapacity.CapacityConfig calldata config,
        IComputeCapacity.Term[] calldata terms,
        uint256 price,
        RevenueSplit calldata split
    ) external returns (uint256 capacity, address splitter);

    /// @notice Where capacities are registered.
    function CAPACITY() external view returns (IComputeCapacity);

    /// @notice Where splitters are made.
    function FACTORY() external view returns (IRevenueSplitterFactory);
}
