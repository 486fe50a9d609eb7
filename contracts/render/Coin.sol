// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {LibCall} from "solady/utils/LibCall.sol";
import {MetadataReaderLib} from "solady/utils/MetadataReaderLib.sol";
import {Text} from "./Text.sol";

/// @title A stablecoin's amounts in words, whatever the coin does
/// @dev Coins can be upgraded: one may revert, burn its gas or answer anything long after it was
/// listed. It is asked with little gas, little of its answer is read, and none of it believed.
library Coin {
    uint256 internal constant GAS = 100_000;
    uint256 internal constant MAX_SYMBOL = 16;
    uint256 internal constant MAX_DECIMALS = 18;
    uint256 internal constant MIN_PLACES = 2;

    /// @param symbol Printable ASCII, not escaped.
    /// @param decimals At most 18.
    struct Face {
        string symbol;
        uint256 decimals;
    }

    /// @notice What the coin says of itself. Without decimals its amounts stay in base units,
    /// without a symbol it goes by its address. Never reverts.
    function read(address coin) internal view returns (Face memory face) {
        face.symbol = Text.plain(MetadataReaderLib.readSymbol(coin, MAX_SYMBOL, GAS));
        if (bytes(face.symbol).length == 0) face.symbol = Text.brief(coin);
        (bool known, uint256 decimals) = _decimals(coin);
        if (known) face.decimals = decimals;
        else face.symbol = string.concat("base units of ", face.symbol);
    }

    /// @notice An amount in base units as coins, exactly: 1,234.50 USDC.
    function amount(Face memory face, uint256 value) internal pure returns (string memory) {
        return string.concat(Text.decimal(value, face.decimals, MIN_PLACES), " ", face.symbol);
    }

    function _decimals(address coin) private view returns (bool known, uint256 decimals) {
        (bool answered, , bytes memory answer) = LibCall.tryStaticCall(
            coin,
            GAS,
            32,
            abi.encodeWithSignature("decimals()")
        );
        if (!answered || answer.length != 32) return (false, 0);
        decimals = uint256(bytes32(answer));
        known = decimals <= MAX_DECIMALS;
    }
}
