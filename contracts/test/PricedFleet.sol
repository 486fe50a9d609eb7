// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";

/// @title Stands in for deeds and the lease engine, with figures that no fleet would soon come to
/// @notice All capacities are one and the same.
contract PricedFleet {
    address public owner;
    uint256 public attested;
    uint256[] internal _used;
    IComputeCapacity.CapacityConfig internal _config;

    constructor(address owner_) {
        owner = owner_;
    }

    function setConfig(IComputeCapacity.CapacityConfig calldata config) external {
        _config = config;
    }

    /// @param used Units leased in each epoch from 0 on; none after them.
    function setUse(uint256 attested_, uint256[] calldata used) external {
        attested = attested_;
        _used = used;
    }

    function CAPACITY() external view returns (address) {
        return address(this);
    }

    function ownerOf(uint256) external view returns (address) {
        return owner;
    }

    function attestedUnits(uint256) external view returns (uint256) {
        return attested;
    }

    function configOf(uint256) external view returns (IComputeCapacity.CapacityConfig memory) {
        return _config;
    }

    function serviceLevelOf(
        uint256
    ) external view returns (IComputeCapacity.ServiceLevel memory level) {
        level.origin = _config.origin;
        level.epochLength = _config.epochLength;
        level.lifetimeEpochs = _config.lifetimeEpochs;
    }

    function occupancyOf(
        uint256,
        uint256 from,
        uint256 to
    ) external view returns (uint256 peak, uint256 unitEpochs) {
        for (uint256 epoch = from; epoch < to && epoch < _used.length; ++epoch) {
            uint256 units = _used[epoch];
            if (units > peak) peak = units;
            unitEpochs += units;
        }
    }
}
