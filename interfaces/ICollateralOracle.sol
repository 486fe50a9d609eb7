// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title What collateral is worth
interface ICollateralOracle {
    /// @notice What `amount` of `collateral` is worth now. Never reverts.
    /// @dev For a given moment it is linear in `amount`, but for rounding down: a liquidation
    /// counts on half of a position being worth half of it.
    /// @param collateral The token.
    /// @param amount Its smallest parts.
    /// @return assets Base units of the stablecoin that the collateral's revenue is paid in,
    /// rounded down. 0 with `valid` is a worth of nothing, not a lack of knowledge.
    /// @return valid False if the worth cannot be known now; `assets` is then 0.
    function value(
        address collateral,
        uint256 amount
    ) external view returns (uint256 assets, bool valid);
}
