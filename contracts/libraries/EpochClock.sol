// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Epochs of a capacity
/// @notice Epoch `e` runs from `origin + e * epochLength` up to, not including, the start of `e + 1`.
library EpochClock {
    /// @notice The first epoch that has not begun at `timestamp`; 0 before `origin`.
    function firstUnbegun(
        uint256 origin,
        uint256 epochLength,
        uint256 timestamp
    ) internal pure returns (uint256) {
        if (timestamp < origin) return 0;
        unchecked {
            return (timestamp - origin) / epochLength + 1;
        }
    }

    /// @notice Unix time at which `epoch` begins.
    function startOf(
        uint256 origin,
        uint256 epochLength,
        uint256 epoch
    ) internal pure returns (uint256) {
        return origin + epoch * epochLength;
    }

    /// @notice Unix time at which `epoch` is over.
    function endOf(
        uint256 origin,
        uint256 epochLength,
        uint256 epoch
    ) internal pure returns (uint256) {
        return origin + (epoch + 1) * epochLength;
    }
}
