// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Ownable} from "solady/auth/Ownable.sol";
import {IAggregatorV3} from "interfaces/IAggregatorV3.sol";
import {IComputeIndex} from "interfaces/IComputeIndex.sol";

/// @title Price of an accelerator-hour by hardware class
/// @notice See IComputeIndex for the whole documentation.
contract ComputeIndex is IComputeIndex, Ownable {
    uint256 internal constant DECIMALS = 8;
    uint256 internal constant MIN_HEARTBEAT = 1 hours;
    uint256 internal constant MAX_HEARTBEAT = 90 days;
    uint256 internal constant MAX_PRICE = type(uint96).max;
    /// @dev Several times what a proxied feed takes; a feed that burns all of it is broken.
    uint256 internal constant FEED_GAS = 150_000;
    /// @dev roundId, answer, startedAt, updatedAt, answeredInRound.
    uint256 internal constant ROUND_BYTES = 160;

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
            uint256 decimals = _decimalsOf(feed);
            require(
                decimals == DECIMALS && heartbeat >= MIN_HEARTBEAT && heartbeat <= MAX_HEARTBEAT,
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
        (bool ok, int256 answer, uint256 updatedAt) = _latest(source.feed);
        if (!ok || answer <= 0 || uint256(answer) > MAX_PRICE) return (0, false);
        if (updatedAt > block.timestamp) return (0, false);
        if (block.timestamp - updatedAt > source.heartbeat) return (0, false);
        return (uint256(answer), true);
    }

    /// @dev Neither a revert, nor burnt gas, nor an answer of any length gets further than this.
    function _latest(
        address feed
    ) internal view returns (bool ok, int256 answer, uint256 updatedAt) {
        bytes memory input = abi.encodeCall(IAggregatorV3.latestRoundData, ());
        uint256[5] memory round;
        assembly ("memory-safe") {
            ok := staticcall(FEED_GAS, feed, add(input, 0x20), mload(input), round, ROUND_BYTES)
            ok := and(ok, gt(returndatasize(), sub(ROUND_BYTES, 1)))
        }
        // Any 256 bits are an answer; the caller bounds it.
        return (ok, int256(round[1]), round[3]);
    }

    /// @dev Whatever a feed without code or without decimals answers is not `DECIMALS`.
    function _decimalsOf(address feed) internal view returns (uint256) {
        if (feed.code.length == 0) return type(uint256).max;
        try IAggregatorV3(feed).decimals() returns (uint8 decimals) {
            return decimals;
        } catch {
            return type(uint256).max;
        }
    }
}
