// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @dev Which of a splitter's legs earn, in one word: from the lowest bit on, how many earn (8 bits),
/// their indices (8 × 24 bits, in the order in which they came), how many there ever were (24).
type LegList is uint256;

using LegListLib for LegList global;

library LegListLib {
    uint256 internal constant MAX_EARNING = 8;
    uint256 internal constant BITS = 24;
    uint256 internal constant EVER_AT = 8 + MAX_EARNING * BITS;

    /// @dev No index is left for another leg.
    error LegsExhausted();

    function earning(LegList list) internal pure returns (uint256) {
        return uint8(LegList.unwrap(list));
    }

    function ever(LegList list) internal pure returns (uint256) {
        return LegList.unwrap(list) >> EVER_AT;
    }

    /// @dev The index of the i-th leg that earns.
    function at(LegList list, uint256 i) internal pure returns (uint256) {
        return uint24(LegList.unwrap(list) >> (8 + i * BITS));
    }

    /// @dev With a new leg, which gets the index `ever`. The caller sees to it that fewer than eight
    /// earn.
    function withNew(LegList list) internal pure returns (LegList) {
        uint256 leg = list.ever();
        require(leg < type(uint24).max, LegsExhausted());
        return LegList.wrap(LegList.unwrap(_append(list, leg)) + (1 << EVER_AT));
    }

    /// @dev With no leg that earns.
    function withNone(LegList list) internal pure returns (LegList) {
        return LegList.wrap(list.ever() << EVER_AT);
    }

    /// @dev With one that is there already, after `withNone`.
    function withKept(LegList list, uint256 leg) internal pure returns (LegList) {
        return _append(list, leg);
    }

    function _append(LegList list, uint256 leg) private pure returns (LegList) {
        uint256 count = list.earning();
        return LegList.wrap((LegList.unwrap(list) | (leg << (8 + count * BITS))) + 1);
    }
}
