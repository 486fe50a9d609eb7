// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IComputeLease} from "interfaces/IComputeLease.sol";

interface ICrowdToken {
    function approve(address spender, uint256 amount) external returns (bool);
    function transfer(address to, uint256 amount) external returns (bool);
}

/// @title Many tenants and holders in one transaction, for figures that must not grow with them
contract Crowd {
    /// @notice Signs `count` like leases, each of its own; the crowd holds the coin.
    function lease(
        IComputeLease engine,
        ICrowdToken coin,
        IComputeLease.LeaseRequest calldata request,
        uint256 count
    ) external {
        coin.approve(address(engine), type(uint256).max);
        for (uint256 i; i < count; ++i) {
            engine.lease(request);
        }
    }

    /// @notice Gives `amount` of what the crowd holds to `count` addresses from `first` on.
    function spread(ICrowdToken token, uint160 first, uint256 count, uint256 amount) external {
        for (uint256 i; i < count; ++i) {
            token.transfer(address(first + uint160(i)), amount);
        }
    }
}
