// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {LibBit} from "solady/utils/LibBit.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";

/// @notice What settling an epoch moves, in one word that is read once and written once:
/// `nextEpoch` 24 bits, `rate` 104, `earned` 120, `inPenalty` 8. `rate`, the rent of the newest settled
/// epoch, is below 2^15 units at 2^85; rents of 2^17 epochs sum to less than 2^117, and forfeited
/// deposits stop at 2^119. `inPenalty` says so of the newest settled epoch.
type Ledger is uint256;

using {closed, nextEpochOf, rateOf, earnedOf, isInPenalty} for Ledger global;

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
    uint256 flag = inPenalty ? 1 << IN_PENALTY_AT : 0;
    return
        Ledger.wrap(
            uint256(SafeCastLib.toUint24(nextEpoch)) |
                (uint256(SafeCastLib.toUint104(rate)) << RATE_AT) |
                (uint256(SafeCastLib.toUint120(earned)) << EARNED_AT) |
                flag
        );
}

/// @dev The ledger once its next epoch, which is below 2^24 − 1, is closed at a rent, of which so much is
/// earned. Reverts with `Overflow` like `ledgerOf`.
function closed(Ledger self, uint256 rent, uint256 earned, bool inPenalty) pure returns (Ledger) {
    unchecked {
        uint256 total = self.earnedOf() + earned;
        if (((rent >> RATE_BITS) | (total >> EARNED_BITS)) != 0) revert SafeCastLib.Overflow();
        return
            Ledger.wrap(
                (self.nextEpochOf() + 1) |
                    (rent << RATE_AT) |
                    (total << EARNED_AT) |
                    (LibBit.rawToUint(inPenalty) << IN_PENALTY_AT)
            );
    }
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
