// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ICapacityRegistrar} from "interfaces/ICapacityRegistrar.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IRevenueSplitterFactory} from "interfaces/IRevenueSplitterFactory.sol";

/// @title Registers a capacity together with its revenue splitter
/// @notice See ICapacityRegistrar for the whole documentation.
contract CapacityRegistrar is ICapacityRegistrar {
    /// @inheritdoc ICapacityRegistrar
    IComputeCapacity public immutable CAPACITY;
    /// @inheritdoc ICapacityRegistrar
    IRevenueSplitterFactory public immutable FACTORY;

    /// @notice Safety rests on: a registration gets the id that `nextCapacity` says, and calls
    /// nobody who could register in between.
    /// @param factory Where splitters are made; it says where capacities are registered.
    constructor(IRevenueSplitterFactory factory) {
        FACTORY = factory;
        CAPACITY = factory.CAPACITY();
    }

    /// @inheritdoc ICapacityRegistrar
    function register(
        IComputeCapacity.CapacityConfig calldata config,
        IComputeCapacity.Term[] calldata terms,
        uint256 price,
        RevenueSplit calldata split
    ) external returns (uint256 capacity, address splitter) {
        require(config.payee == address(0), PayeeGiven(config.payee));
        IComputeCapacity.CapacityConfig memory paired = config;
        paired.payee = FACTORY.predict(
            address(this),
            CAPACITY.nextCapacity(),
            config.stablecoin,
            split.supply
        );

        capacity = CAPACITY.register(paired, terms, price, msg.sender);
        // Reverts unless the capacity's payee is the splitter that names this very capacity.
        splitter = FACTORY.create(
            IRevenueSplitterFactory.SplitterConfig({
                capacity: capacity,
                supply: split.supply,
                holder: msg.sender,
                legs: split.legs,
                maxProtocolBps: split.maxProtocolBps
            })
        );
    }
}
