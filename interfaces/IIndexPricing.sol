// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IPricingModule} from "interfaces/IPricingModule.sol";

/// @title A feed's price of the day, fixed when signed
/// @notice The price is a feed's answer (USD per accelerator-hour) × accelerators of a unit × hours
/// of an epoch × markup, in the stablecoin's decimals, rounded up. A lease keeps it, whatever the
/// feed says later.
/// @dev No quote is given, and so no lease signed, where the feed fails or its answer is stale,
/// from the future, not positive or above 2^96 − 1: a wrong price is worse than none. The deed
/// owner names the feed. Tenants are safe from a bad one by the most that they agree to pay, those
/// who lend against the revenue by the price floor, which has feeds of its own.
interface IIndexPricing is IPricingModule {
    /// @param feed AggregatorV3 feed of 8 decimals, USD per accelerator-hour.
    /// @param heartbeat Seconds after which an answer is stale, 1 hour … 90 days.
    /// @param markupBps The price as a share of the index, in bps, 1 … 50,000.
    /// @param acceleratorsPerUnit Of the capacity, kept here to save a call; it never changes.
    /// @param epochLength Of the capacity, likewise.
    /// @param decimals Of the capacity's stablecoin, 2 … 18, likewise.
    struct Link {
        address feed;
        uint24 heartbeat;
        uint16 markupBps;
        uint16 acceleratorsPerUnit;
        uint24 epochLength;
        uint8 decimals;
    }

    /// @param capacity The capacity.
    /// @param link How it is priced from now on.
    event LinkSet(uint256 indexed capacity, Link link);

    /// @dev The feed does not say that it has 8 decimals; 2^256 − 1 where it does not say any.
    error BadFeed(address feed, uint256 decimals);
    /// @dev The feed reverted, burnt its gas, or answered something too short.
    error FeedFailed(address feed);
    /// @dev The answer is not 1 … 2^96 − 1.
    error BadAnswer(address feed, int256 answer);
    /// @dev At `time`, the answer of `updatedAt` is older than the heartbeat, or not given yet.
    error AnswerNotCurrent(address feed, uint256 updatedAt, uint256 time, uint256 heartbeat);

    /// @notice Links a capacity to a feed; see the struct for bounds. Deed owner only.
    function setLink(uint256 capacity, address feed, uint256 heartbeat, uint256 markupBps) external;

    /// @notice The link of a capacity. Reverts with `NotSet`.
    function linkOf(uint256 capacity) external view returns (Link memory);
}
