// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IPricingModule} from "interfaces/IPricingModule.sol";

/// @title What every pricing module has in common
/// @notice See IPricingModule for the whole documentation.
abstract contract PricingModule is IPricingModule {
    uint256 internal constant BPS = 1e4;
    /// @dev Two prices, or three, and what else a quote needs fit in one word.
    uint256 internal constant MAX_SET_PRICE = type(uint80).max;

    /// @inheritdoc IPricingModule
    IComputeCapacity public immutable CAPACITY;

    modifier onlyDeedOwner(uint256 capacity) {
        require(
            IERC721(address(CAPACITY)).ownerOf(capacity) == msg.sender,
            NotDeedOwner(capacity, msg.sender)
        );
        _;
    }

    /// @param capacity Deeds and their figures.
    constructor(IComputeCapacity capacity) {
        require(address(capacity) != address(0), BadAddress("capacity", address(0)));
        CAPACITY = capacity;
    }

    function _checkRange(bytes32 field, uint256 value, uint256 min, uint256 max) internal pure {
        require(value >= min && value <= max, OutOfRange(field, value, min, max));
    }
}
