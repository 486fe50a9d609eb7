// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IIndexPricing} from "interfaces/IIndexPricing.sol";
import {IPricing} from "interfaces/IPricing.sol";
import {FeedReader} from "./FeedReader.sol";
import {PricingModule} from "./PricingModule.sol";

/// @title A feed's price of the day, fixed when signed
/// @notice See IIndexPricing for the whole documentation.
contract IndexPricing is IIndexPricing, PricingModule {
    using FixedPointMathLib for uint256;

    uint256 internal constant MAX_MARKUP_BPS = 5 * BPS;
    /// @dev The most that `IPricing` allows.
    uint256 internal constant MAX_PRICE = 1 << 82;

    mapping(uint256 capacity => Link) internal _links;

    /// @notice Safety and liveness of a capacity's quotes rest on the feed its deed owner named.
    /// @param capacity Deeds and their figures.
    constructor(IComputeCapacity capacity) PricingModule(capacity) {}

    /// @inheritdoc IIndexPricing
    function setLink(
        uint256 capacity,
        address feed,
        uint256 heartbeat,
        uint256 markupBps
    ) external onlyDeedOwner(capacity) {
        uint256 feedDecimals = FeedReader.decimalsOf(feed);
        require(feedDecimals == FeedReader.DECIMALS, BadFeed(feed, feedDecimals));
        _checkRange("heartbeat", heartbeat, FeedReader.MIN_HEARTBEAT, FeedReader.MAX_HEARTBEAT);
        _checkRange("markupBps", markupBps, 1, MAX_MARKUP_BPS);
        IComputeCapacity.CapacityConfig memory config = CAPACITY.configOf(capacity);
        Link memory link = Link({
            feed: feed,
            heartbeat: uint24(heartbeat),
            markupBps: uint16(markupBps),
            acceleratorsPerUnit: config.acceleratorsPerUnit,
            epochLength: config.epochLength,
            decimals: IERC20Metadata(config.stablecoin).decimals()
        });
        _links[capacity] = link;
        emit LinkSet(capacity, link);
    }

    /// @inheritdoc IPricing
    function quote(
        uint256 capacity,
        uint256,
        uint256,
        uint256
    ) external view returns (uint256 price) {
        Link memory link = linkOf(capacity);
        uint256 index = _answerOf(link.feed, link.heartbeat);
        // index < 2^96, accelerators ≤ 2^12, seconds < 2^20, markup < 2^16, decimals ≤ 10^18 <
        // 2^60: the product stays below 2^204.
        uint256 perEpoch = index * link.acceleratorsPerUnit * link.epochLength;
        price = (perEpoch * link.markupBps * 10 ** uint256(link.decimals)).divUp(
            10 ** FeedReader.DECIMALS * 1 hours * BPS
        );
        _checkRange("price", price, 1, MAX_PRICE);
    }

    /// @inheritdoc IIndexPricing
    function linkOf(uint256 capacity) public view returns (Link memory link) {
        link = _links[capacity];
        require(link.feed != address(0), NotSet(capacity));
    }

    function _answerOf(address feed, uint256 heartbeat) internal view returns (uint256) {
        (FeedReader.Fault fault, int256 answer, uint256 updatedAt) = FeedReader.read(
            feed,
            heartbeat
        );
        require(fault != FeedReader.Fault.FAILED, FeedFailed(feed));
        require(fault != FeedReader.Fault.PRICE, BadAnswer(feed, answer));
        require(
            fault != FeedReader.Fault.TIME,
            AnswerNotCurrent(feed, updatedAt, block.timestamp, heartbeat)
        );
        return uint256(answer);
    }
}
