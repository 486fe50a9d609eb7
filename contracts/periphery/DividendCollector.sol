// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IDividendCollector} from "interfaces/IDividendCollector.sol";
import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";

/// @title Claims the dividends of many splitters at once
/// @notice See IDividendCollector for the whole documentation.
contract DividendCollector is IDividendCollector {
    /// @inheritdoc IDividendCollector
    function claimMany(
        address[] calldata splitters,
        address holder
    ) external returns (uint256[] memory amounts) {
        amounts = new uint256[](splitters.length);
        bytes memory claim = abi.encodeCall(IRevenueSplitter.claimFor, (holder));
        for (uint256 i; i < splitters.length; ++i) {
            (bool paid, bytes memory answer) = splitters[i].call(claim);
            if (paid && answer.length == 32) amounts[i] = abi.decode(answer, (uint256));
            else emit ClaimFailed(splitters[i], holder, answer);
        }
    }
}
