// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IPricingModule} from "interfaces/IPricingModule.sol";

/// @title What stays unsold gets cheaper as it comes near
/// @notice An epoch that begins `leadTime` or more from now costs `highPrice`. From there its price
/// falls straight to `lowPrice` as its beginning comes near. A lease's price is the mean over its
/// epochs, each at its own price, rounded up.
/// @dev A long lease is not one bargain: its late epochs cost as much as if they were leased alone.
/// At one moment the same epochs cost the same at once or in parts, but for less than one base unit
/// per unit and epoch of rounding.
interface IDutchAuctionPricing is IPricingModule {
    /// @notice Prices are base units of the stablecoin per unit and epoch, up to 2^80 − 1.
    /// @param highPrice Of an epoch that is `leadTime` or more away, at least `lowPrice`.
    /// @param lowPrice Of an epoch that begins now, at least 1.
    /// @param leadTime Seconds before an epoch begins in which its price falls, 1 hour … 365 days.
    /// @param origin Of the capacity, kept here to save a call; it never changes.
    /// @param epochLength Of the capacity, likewise.
    struct Auction {
        uint80 highPrice;
        uint80 lowPrice;
        uint32 leadTime;
        uint40 origin;
        uint24 epochLength;
    }

    /// @param capacity The capacity.
    /// @param auction How it is priced from now on.
    event AuctionSet(uint256 indexed capacity, Auction auction);

    /// @notice Sets the auction of a capacity; see the struct for bounds. Deed owner only.
    function setAuction(
        uint256 capacity,
        uint256 highPrice,
        uint256 lowPrice,
        uint256 leadTime
    ) external;

    /// @notice The auction of a capacity. Reverts with `NotSet`.
    function auctionOf(uint256 capacity) external view returns (Auction memory);
}
