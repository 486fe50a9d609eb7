// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title What Derrick reads of a price feed (the AggregatorV3 convention)
interface IAggregatorV3 {
    /// @notice Decimals of the answer.
    function decimals() external view returns (uint8);

    /// @notice The newest answer, and when it was given (Unix time).
    function latestRoundData()
        external
        view
        returns (
            uint80 roundId,
            int256 answer,
            uint256 startedAt,
            uint256 updatedAt,
            uint80 answeredInRound
        );
}
