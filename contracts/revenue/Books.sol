// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @dev What a splitter has taken in and paid out in one token, in one word. From the lowest bit on:
///
/// | bits | field | bound |
/// |--:|---|---|
/// | 129 | paid: base units ever paid out | never more than came in: 128 bits from the engine, 110 |
/// | 110 | direct: base units ever found that came by plain transfer | no more are counted |
/// | 14 | sharesBps: what the legs leave to the shares | at most 10^4 |
/// | 2 | extraTokens: dividend tokens besides the stablecoin | at most 3 |
/// | 1 | changed: whether the legs ever were | |
///
/// Only the stablecoin's word has the last three. There, what the lease engine says is revenue too.
type Books is uint256;

using BooksLib for Books global;

library BooksLib {
    uint256 internal constant PAID_MASK = (1 << 129) - 1;
    uint256 internal constant DIRECT_AT = 129;
    uint256 internal constant DIRECT_MASK = (1 << 110) - 1;
    uint256 internal constant SHARES_AT = 239;
    uint256 internal constant SHARES_MASK = (1 << 14) - 1;
    uint256 internal constant EXTRA_AT = 253;
    uint256 internal constant EXTRA_MASK = 3;
    uint256 internal constant CHANGED = 1 << 255;

    function paid(Books books) internal pure returns (uint256) {
        return Books.unwrap(books) & PAID_MASK;
    }

    function direct(Books books) internal pure returns (uint256) {
        return (Books.unwrap(books) >> DIRECT_AT) & DIRECT_MASK;
    }

    function sharesBps(Books books) internal pure returns (uint256) {
        return (Books.unwrap(books) >> SHARES_AT) & SHARES_MASK;
    }

    function extraTokens(Books books) internal pure returns (uint256) {
        return (Books.unwrap(books) >> EXTRA_AT) & EXTRA_MASK;
    }

    function changed(Books books) internal pure returns (bool) {
        return Books.unwrap(books) >= CHANGED;
    }

    /// @param amount With all paid before it, no more than came in.
    function addPaid(Books books, uint256 amount) internal pure returns (Books) {
        unchecked {
            return Books.wrap(Books.unwrap(books) + amount);
        }
    }

    /// @dev How much more can be found: what is beyond is never counted, and holds up nothing.
    function room(Books books) internal pure returns (uint256) {
        return DIRECT_MASK - books.direct();
    }

    /// @param amount At most `room`.
    function addDirect(Books books, uint256 amount) internal pure returns (Books) {
        return Books.wrap(Books.unwrap(books) + (amount << DIRECT_AT));
    }

    /// @param bps At most 10^4.
    function withSharesBps(Books books, uint256 bps) internal pure returns (Books) {
        uint256 cleared = Books.unwrap(books) & ~(SHARES_MASK << SHARES_AT);
        return Books.wrap(cleared | (bps << SHARES_AT));
    }

    function withLegsChanged(Books books) internal pure returns (Books) {
        return Books.wrap(Books.unwrap(books) | CHANGED);
    }

    /// @dev The caller sees to it that there are fewer than three.
    function withExtraToken(Books books) internal pure returns (Books) {
        return Books.wrap(Books.unwrap(books) + (1 << EXTRA_AT));
    }
}
