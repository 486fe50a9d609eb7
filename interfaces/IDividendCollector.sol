// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Claims the dividends of many splitters at once
/// @notice A splitter pays a holder whoever asks, so this contract needs no right: it holds nothing,
/// keeps nothing and wants no approval.
interface IDividendCollector {
    /// @param splitter The splitter that did not pay.
    /// @param holder Whom it did not pay; what it owes stays due.
    /// @param reason What it answered: its revert data, or nothing where there is no splitter.
    event ClaimFailed(address indexed splitter, address indexed holder, bytes reason);

    /// @notice Has each splitter pay `holder`'s dividends in all its tokens to `holder`. Anyone.
    /// @dev One that cannot pay, since its coin is paused or has frozen somebody, holds up no other.
    /// @return amounts Base units of each splitter's settlement stablecoin; 0 where it failed.
    function claimMany(
        address[] calldata splitters,
        address holder
    ) external returns (uint256[] memory amounts);
}
