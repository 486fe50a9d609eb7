// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IComputeLease} from "interfaces/IComputeLease.sol";

/// @title What draws leases
interface ILeaseRenderer {
    /// @notice A data URI with JSON metadata, and in it an SVG picture of the lease as it stands.
    /// @param leases The engine in which it was signed.
    function leaseURI(IComputeLease leases, uint256 leaseId) external view returns (string memory);
}
