// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";

/// @title Stands in for the deeds and the lease engine where only their figures matter
contract MockFleet {
    IComputeCapacity.CapacityConfig internal _config;
    uint256 internal _nextEpoch;
    uint256 internal _rate;
    uint256 internal _unitsLeased;

    function setConfig(IComputeCapacity.CapacityConfig calldata config) external {
        _config = config;
    }

    function setLeased(uint256 nextEpoch, uint256 rate, uint256 unitsLeased) external {
        _nextEpoch = nextEpoch;
        _rate = rate;
        _unitsLeased = unitsLeased;
    }

    function configOf(uint256) external view returns (IComputeCapacity.CapacityConfig memory) {
        return _config;
    }

    function settledTo(uint256) external view returns (uint256 nextEpoch, uint256 rate) {
        return (_nextEpoch, _rate);
    }

    /// @notice Only the newest settled epoch has any.
    function unitsLeasedAt(uint256, uint256 epoch) external view returns (uint256) {
        return epoch + 1 == _nextEpoch ? _unitsLeased : 0;
    }
}
