// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {MockV3Aggregator} from "@chainlink/contracts/src/v0.8/tests/MockV3Aggregator.sol";

/// @title Chainlink's own test feed, under a name of this project
contract PriceFeed is MockV3Aggregator {
    constructor(uint8 decimals, int256 answer) MockV3Aggregator(decimals, answer) {}
}
