// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IPooledShares} from "interfaces/IPooledShares.sol";
import {IRevenueSplitterFactory} from "interfaces/IRevenueSplitterFactory.sol";

/// @title Makes pooled shares
/// @notice One token for each splitter, made by anyone, so that all who pool its shares pool the
/// same.
interface IPooledSharesFactory {
    /// @param splitter The splitter.
    /// @param pooled Its pooled shares.
    event PooledSharesCreated(address indexed splitter, address indexed pooled);

    /// @dev `account` is no splitter of the known factory.
    error NotSplitter(address account);
    /// @dev `splitter` has pooled shares already.
    error AlreadyCreated(address splitter, IPooledShares pooled);

    /// @notice Makes the pooled shares of a splitter. Anyone, once.
    function create(address splitter) external returns (IPooledShares pooled);

    /// @notice The pooled shares of a splitter; zero where nobody has made them.
    function pooledOf(address splitter) external view returns (IPooledShares);

    /// @notice Which splitters there are.
    function SPLITTERS() external view returns (IRevenueSplitterFactory);
}
