// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";

/// @title What draws deeds
interface IDeedRenderer {
    /// @notice A data URI with JSON metadata, and in it an SVG picture of the deed.
    /// @param deeds Where the capacity is registered.
    function deedURI(
        IComputeCapacity deeds,
        uint256 capacity
    ) external view returns (string memory);
}
