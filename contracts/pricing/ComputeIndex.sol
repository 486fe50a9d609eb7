// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Ownable} from "solady/auth/Ownable.sol";
import {IComputeIndex} from "interfaces/IComputeIndex.sol";
import {FeedReader} from "./FeedReader.sol";

/// @title Price of an accelerator-hour by hardware class
/// @notice See IComputeIndex for the whole documentation.
contract ComputeIndex is IComputeIndex, Ownable {
    struct Source {
        address feed;
        uint32 heartbeat;
    }

    /// @notice The feed of each class, and after how many seconds its answer is stale.
    mapping(bytes32 hardwareClass => Source) public sourceOf;

    /// @notice Safety rests on: feeds say what an accelerator-hour costs in USD. Liveness: on feeds
    /// that answer within their heartbeat.
    /// @param owner Who names feeds: a Safe behind a timelock on a real network.
    constructor(address owner) {
        _initializeOwner(owner);
    }

    /// @inheritdoc IComputeIndex
    function setFeed(bytes32 hardwareClass, address feed, uint32 heartbeat) external onlyOwner {
        if (feed != address(0)) {
            uint256 decimals = FeedReader.decimalsOf(feed);
            require(
                decimals == FeedReader.DECIMALS &&
                    heartbeat >= FeedReader.MIN_HEARTBEAT &&
                    heartbeat <= FeedReader.MAX_HEARTBEAT,
                BadFeed(feed, decimals, heartbeat)
            );
        }
        sourceOf[hardwareClass] = Source({feed: feed, heartbeat: heartbeat});
        emit FeedSet(hardwareClass, feed, heartbeat);
    }

    /// @inheritdoc IComputeIndex
    function priceOf(bytes32 hardwareClass) external view returns (uint256 price, bool valid) {
        Source memory source = sourceOf[hardwareClass];
        if (source.feed == address(0)) return (0, false);
        (FeedReader.Fault fault, int256 answer, ) = FeedReader.read(source.feed, source.heartbeat);
        if (fault != FeedReader.Fault.NONE) return (0, false);
        return (uint256(answer), true);
    }
}
