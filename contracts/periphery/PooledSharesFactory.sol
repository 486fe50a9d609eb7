// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IPooledShares} from "interfaces/IPooledShares.sol";
import {IPooledSharesFactory} from "interfaces/IPooledSharesFactory.sol";
import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";
import {IRevenueSplitterFactory} from "interfaces/IRevenueSplitterFactory.sol";
import {PooledShares} from "./PooledShares.sol";

/// @title Makes pooled shares
/// @notice See IPooledSharesFactory for the whole documentation.
contract PooledSharesFactory is IPooledSharesFactory {
    /// @inheritdoc IPooledSharesFactory
    IRevenueSplitterFactory public immutable SPLITTERS;
    /// @inheritdoc IPooledSharesFactory
    mapping(address splitter => IPooledShares) public pooledOf;

    /// @param splitters The factory whose splitters' shares can be pooled.
    constructor(IRevenueSplitterFactory splitters) {
        SPLITTERS = splitters;
    }

    /// @inheritdoc IPooledSharesFactory
    function create(address splitter) external returns (IPooledShares pooled) {
        require(SPLITTERS.isSplitter(splitter), NotSplitter(splitter));
        pooled = pooledOf[splitter];
        require(address(pooled) == address(0), AlreadyCreated(splitter, pooled));
        pooled = new PooledShares(IRevenueSplitter(splitter));
        pooledOf[splitter] = pooled;
        emit PooledSharesCreated(splitter, address(pooled));
    }
}
