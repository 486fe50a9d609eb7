// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";

/// @notice The running sum of a capacity's credits in bps, one word for each epoch that had one, in
/// their order: 32 bits of the first epoch after it above 224 of the sum through it. A lease's credit is
/// a difference of two sums.
/// @dev OpenZeppelin's Checkpoints would do the same, but its assembly is not declared memory-safe:
/// then the compiler cannot move variables to memory anywhere in the contract, and each settlement and
/// each lease pays for it.
struct CreditSums {
    uint256[] words;
}

using {add, sumBelow} for CreditSums global;

uint256 constant SUM_BITS = 224;

/// @dev Adds the credit of an epoch below 2^32 − 1 and later than all before it. Unchecked: less than
/// 2^32 epochs of at most 10^4 bps.
function add(CreditSums storage self, uint256 epoch, uint256 bps) {
    unchecked {
        uint256 count = self.words.length;
        uint256 sum = count == 0 ? 0 : uint224(self.words[count - 1]);
        self.words.push(((epoch + 1) << SUM_BITS) | (sum + bps));
    }
}

/// @dev The sum over all epochs below this one, which is below 2^32.
function sumBelow(CreditSums storage self, uint256 epoch) view returns (uint256) {
    unchecked {
        uint256 later = Arrays.upperBound(self.words, ((epoch + 1) << SUM_BITS) - 1);
        return later == 0 ? 0 : uint224(self.words[later - 1]);
    }
}
