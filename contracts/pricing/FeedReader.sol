// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IAggregatorV3} from "interfaces/IAggregatorV3.sol";

/// @title Reads a price feed that may do anything
/// @notice Neither a revert, nor burnt gas, nor an answer of any length gets further than this.
library FeedReader {
    /// @notice What is wrong with an answer.
    /// @param NONE Nothing.
    /// @param FAILED There is none.
    /// @param PRICE It is not 1 … MAX_PRICE.
    /// @param TIME It is older than the heartbeat, or not given yet.
    enum Fault {
        NONE,
        FAILED,
        PRICE,
        TIME
    }

    /// @notice Decimals of every feed here (the AggregatorV3 convention for USD).
    uint256 internal constant DECIMALS = 8;
    uint256 internal constant MIN_HEARTBEAT = 1 hours;
    uint256 internal constant MAX_HEARTBEAT = 90 days;
    uint256 internal constant MAX_PRICE = type(uint96).max;
    /// @dev Several times what a proxied feed takes; a feed that burns all of it is broken.
    uint256 internal constant FEED_GAS = 150_000;
    /// @dev roundId, answer, startedAt, updatedAt, answeredInRound.
    uint256 internal constant ROUND_BYTES = 160;
    uint256 internal constant WORD_BYTES = 32;

    /// @notice The newest answer and when it was given; a price where there is no fault.
    function read(
        address feed,
        uint256 heartbeat
    ) internal view returns (Fault fault, int256 answer, uint256 updatedAt) {
        bytes memory input = abi.encodeCall(IAggregatorV3.latestRoundData, ());
        uint256[5] memory round;
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(FEED_GAS, feed, add(input, 0x20), mload(input), round, ROUND_BYTES)
            ok := and(ok, gt(returndatasize(), sub(ROUND_BYTES, 1)))
        }
        if (!ok) return (Fault.FAILED, 0, 0);
        // Any 256 bits are an answer.
        (answer, updatedAt) = (int256(round[1]), round[3]);
        if (answer <= 0 || uint256(answer) > MAX_PRICE) {
            fault = Fault.PRICE;
        } else if (updatedAt > block.timestamp || block.timestamp - updatedAt > heartbeat) {
            fault = Fault.TIME;
        }
    }

    /// @notice What the feed says are its decimals; 2^256 − 1 where it has no code or does not say.
    function decimalsOf(address feed) internal view returns (uint256 decimals) {
        bytes memory input = abi.encodeCall(IAggregatorV3.decimals, ());
        assembly ("memory-safe") {
            let ok := staticcall(FEED_GAS, feed, add(input, 0x20), mload(input), 0x00, WORD_BYTES)
            ok := and(ok, gt(returndatasize(), sub(WORD_BYTES, 1)))
            decimals := or(mload(0x00), sub(ok, 1))
        }
    }
}
