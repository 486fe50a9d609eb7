// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";

interface IServiceBond {
    function CAPACITY() external view returns (IComputeCapacity);
    function reserve(uint256 capacity, uint256 epoch, uint256 wanted) external returns (uint256);
    function pay(uint256 capacity, uint256 epoch, address receiver, uint256 amount) external;
    function free(uint256 capacity, uint256 epoch) external returns (uint256 amount);
}
