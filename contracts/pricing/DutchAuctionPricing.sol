// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IDutchAuctionPricing} from "interfaces/IDutchAuctionPricing.sol";
import {IPricing} from "interfaces/IPricing.sol";
import {EpochClock} from "../libraries/EpochClock.sol";
import {PricingModule} from "./PricingModule.sol";

/// @title What stays unsold gets cheaper as it comes near
/// @notice See IDutchAuctionPricing for the whole documentation.
contract DutchAuctionPricing is IDutchAuctionPricing, PricingModule {
    using FixedPointMathLib for uint256;

    uint256 internal constant MIN_LEAD_TIME = 1 hours;
    uint256 internal constant MAX_LEAD_TIME = 365 days;

    mapping(uint256 capacity => Auction) internal _auctions;

    /// @notice Quotes rest on nothing but the clock.
    /// @param capacity Deeds and their figures.
    constructor(IComputeCapacity capacity) PricingModule(capacity) {}

    /// @inheritdoc IDutchAuctionPricing
    function setAuction(
        uint256 capacity,
        uint256 highPrice,
        uint256 lowPrice,
        uint256 leadTime
    ) external onlyDeedOwner(capacity) {
        _checkRange("lowPrice", lowPrice, 1, MAX_SET_PRICE);
        _checkRange("highPrice", highPrice, lowPrice, MAX_SET_PRICE);
        _checkRange("leadTime", leadTime, MIN_LEAD_TIME, MAX_LEAD_TIME);
        IComputeCapacity.ServiceLevel memory level = CAPACITY.serviceLevelOf(capacity);
        Auction memory auction = Auction({
            highPrice: uint80(highPrice),
            lowPrice: uint80(lowPrice),
            leadTime: uint32(leadTime),
            origin: level.origin,
            epochLength: level.epochLength
        });
        _auctions[capacity] = auction;
        emit AuctionSet(capacity, auction);
    }

    /// @inheritdoc IPricing
    function quote(
        uint256 capacity,
        uint256 start,
        uint256 end,
        uint256
    ) external view returns (uint256 price) {
        Auction memory auction = auctionOf(capacity);
        uint256 lead = _sumOfLeads(auction, start, end);
        uint256 most = (end - start) * auction.leadTime;
        return auction.lowPrice + lead.mulDivUp(auction.highPrice - auction.lowPrice, most);
    }

    /// @inheritdoc IDutchAuctionPricing
    function auctionOf(uint256 capacity) public view returns (Auction memory auction) {
        auction = _auctions[capacity];
        require(auction.lowPrice != 0, NotSet(capacity));
    }

    /// @dev Seconds until each epoch of [start, end) begins, 0 … `leadTime` each, summed up.
    function _sumOfLeads(
        Auction memory auction,
        uint256 start,
        uint256 end
    ) internal view returns (uint256 sum) {
        uint256 origin = auction.origin;
        uint256 step = auction.epochLength;
        // Below `near` epochs have begun, from `far` on they count in full; between, one begins
        // `step` seconds after the other.
        uint256 near = EpochClock.firstUnbegun(origin, step, block.timestamp).clamp(start, end);
        uint256 far = EpochClock
            .firstUnbegun(origin, step, block.timestamp + auction.leadTime)
            .clamp(start, end);
        sum = (end - far) * auction.leadTime;
        if (near < far) {
            uint256 count = far - near;
            uint256 first = EpochClock.startOf(origin, step, near) - block.timestamp;
            sum += count * first + step * ((count * (count - 1)) / 2);
        }
    }
}
