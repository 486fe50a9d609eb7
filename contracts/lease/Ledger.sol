// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {LibBit} from "solady/utils/LibBit.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";

/// @notice What settling an epoch moves, in one word that is read once and written once:
/// `nextEpoch` 24 bits, `rate` 104, `earned` 120, `inPenalty` 8. `rate`, the rent of the newest settled
/// epoch, is below 2^15 units at 2^85; rents of 2^17 epochs sum to less than 2^117, and forfeited
/// deposits stop at 2^119. `inPenalty` says so of the newest settled epoch.
type Ledger is uint256;

using {closed, passedTo, punished, nextEpochOf, rateOf, earnedOf, isInPenalty} for Ledger global;

uint256 constant RATE_AT = 24;
uint256 constant RATE_BITS = 104;
uint256 constant EARNED_AT = 128;
uint256 constant EARNED_BITS = 120;
uint256 constant IN_PENALTY_AT = 248;

/// @dev Reverts with `Overflow` if a value is wider than its place; see the bounds above.
function ledgerOf(
    uint256 nextEpoch,
    uint256 rate,
    uint256 earned,
    bool inPenalty
) pure returns (Ledger) {
    bool fits = ((nextEpoch >> RATE_AT) | (rate >> RATE_BITS) | (earned >> EARNED_BITS)) == 0;
    if (!fits) revert SafeCastLib.Overflow();
    return
        Ledger.wrap(
            nextEpoch |
                (rate << RATE_AT) |
                (earned << EARNED_AT) |
                (LibBit.rawToUint(inPenalty) << IN_PENALTY_AT)
        );
}

/// @dev The ledger once its next epoch is closed at a rent, of which so much is earned. Unchecked: both
/// sums are of values far below the word's width, and `ledgerOf` checks what they come to.
function closed(Ledger self, uint256 rent, uint256 earned, bool inPenalty) pure returns (Ledger) {
    unchecked {
        return ledgerOf(self.nextEpochOf() + 1, rent, self.earnedOf() + earned, inPenalty);
    }
}

/// @dev The ledger once idle epochs are passed up to `to`, which is at most the lifetime and so fits: no rent
/// is running any more.
function passedTo(Ledger self, uint256 to) pure returns (Ledger) {
    return Ledger.wrap((self.earnedOf() << EARNED_AT) | to);
}

/// @dev The ledger once the newest settled epoch turns out to be in penalty.
function punished(Ledger self) pure returns (Ledger) {
    return Ledger.wrap(Ledger.unwrap(self) | (1 << IN_PENALTY_AT));
}

/// @dev The next epoch to settle.
function nextEpochOf(Ledger self) pure returns (uint256) {
    return uint24(Ledger.unwrap(self));
}

function rateOf(Ledger self) pure returns (uint256) {
    return uint104(Ledger.unwrap(self) >> RATE_AT);
}

function earnedOf(Ledger self) pure returns (uint256) {
    return uint120(Ledger.unwrap(self) >> EARNED_AT);
}

function isInPenalty(Ledger self) pure returns (bool) {
    return Ledger.unwrap(self) >> IN_PENALTY_AT != 0;
}
