// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Price of an accelerator-hour by hardware class
/// @notice Names one AggregatorV3 feed per hardware class and says whether its answer can be used.
interface IComputeIndex {
    /// @param hardwareClass The accelerator class.
    /// @param feed AggregatorV3 feed, USD per accelerator-hour; zero if there is none any more.
    /// @param heartbeat Seconds after which an answer is stale.
    event FeedSet(bytes32 indexed hardwareClass, address indexed feed, uint32 heartbeat);

    /// @dev The feed has no code, or not 8 decimals, or the heartbeat is not 1 hour … 90 days.
    error BadFeed(address feed, uint256 decimals, uint256 heartbeat);

    /// @notice Names the feed of a class, or none (zero). Owner only.
    function setFeed(bytes32 hardwareClass, address feed, uint32 heartbeat) external;

    /// @notice The class's price now. Never reverts, whatever the feed does.
    /// @return price USD per accelerator-hour, 8 decimals; 0 if invalid.
    /// @return valid False when there is no feed, it fails, or its answer is stale, from the future,
    /// not positive, or above 2^96 − 1.
    function priceOf(bytes32 hardwareClass) external view returns (uint256 price, bool valid);
}
