// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {ILeaseTypes} from "interfaces/ILeaseTypes.sol";

/// @title Units in use per epoch, sixteen epochs to a storage word
/// @notice Lane `i` (16 bits) of word `w` holds the units leased in epoch `16 w + i`. A range of
/// epochs is checked, changed or read a whole word at a time.
/// @dev No lane ever exceeds 0x7fff, so its top bit is free: adding `units + 0x7fff − limit` to a lane
/// sets that bit exactly if `units` more would exceed `limit`, and can never carry into the next lane.
library Calendar {
    /// @notice The most that `limit` can be.
    uint256 internal constant MAX_UNITS = 0x7fff;

    uint256 internal constant LANES = 16;
    uint256 internal constant LANE_BITS = 16;
    uint256 internal constant LANE_MASK = 0xffff;
    /// @dev 1 in every lane: multiplying by it copies a 16-bit number into all lanes.
    uint256 internal constant ONES =
        0x0001000100010001000100010001000100010001000100010001000100010001;
    uint256 internal constant TOP_BITS = ONES << 15;
    /// @dev Every other lane, so that the ones between give room to sums.
    uint256 internal constant EVEN_LANES =
        0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
    /// @dev The same for sums of two lanes.
    uint256 internal constant EVEN_PAIRS =
        0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;

    /// @notice Adds `units` in every epoch of [from, to). Reverts if any would exceed `limit`.
    /// @dev Needs from < to and units ≤ limit ≤ MAX_UNITS; the caller checks. Lanes outside the range
    /// may lie above the limit.
    function reserve(
        mapping(uint256 word => uint256 lanes) storage self,
        uint256 from,
        uint256 to,
        uint256 units,
        uint256 limit
    ) internal {
        uint256 added = _inAll(units);
        uint256 tested = _inAll(units + MAX_UNITS - limit);
        uint256 last = (to - 1) / LANES;
        for (uint256 word = from / LANES; word <= last; ++word) {
            uint256 mask = maskOf(word, from, to);
            uint256 lanes = self[word];
            // Both are at most 0x7fff in each lane, as units are at most the limit.
            if ((lanes + (tested & mask)) & TOP_BITS != 0) {
                uint256 used = _peakBefore(self, from, to, word * LANES, units);
                revert ILeaseTypes.NotEnoughUnits(units, used < limit ? limit - used : 0);
            }
            self[word] = lanes + (added & mask);
        }
    }

    /// @notice Takes `units` off again in every epoch of [from, to). Nothing if from ≥ to.
    /// @dev Only what was reserved: the lanes hold at least `units`, so none borrows from the next.
    function release(
        mapping(uint256 word => uint256 lanes) storage self,
        uint256 from,
        uint256 to,
        uint256 units
    ) internal {
        if (from >= to) return;
        uint256 removed = _inAll(units);
        uint256 last = (to - 1) / LANES;
        for (uint256 word = from / LANES; word <= last; ++word) {
            self[word] -= removed & maskOf(word, from, to);
        }
    }

    /// @dev The most units in use in [from, to) before `units` were added to all epochs below `done`.
    function _peakBefore(
        mapping(uint256 word => uint256 lanes) storage self,
        uint256 from,
        uint256 to,
        uint256 done,
        uint256 units
    ) private view returns (uint256 used) {
        if (done <= from) return peak(self, from, to);
        used = FixedPointMathLib.max(peak(self, done, to), peak(self, from, done) - units);
    }

    /// @notice The first epoch of [from, to) in which anything is leased; `to` if there is none.
    function firstUsed(
        mapping(uint256 word => uint256 lanes) storage self,
        uint256 from,
        uint256 to
    ) internal view returns (uint256 epoch) {
        if (from >= to) return to;
        uint256 last = (to - 1) / LANES;
        for (uint256 word = from / LANES; word <= last; ++word) {
            uint256 lanes = self[word] & maskOf(word, from, to);
            if (lanes == 0) continue;
            for (epoch = word * LANES; lanes & LANE_MASK == 0; ++epoch) lanes >>= LANE_BITS;
            return epoch;
        }
        return to;
    }

    /// @notice The most units in use in any epoch of [from, to); 0 if from ≥ to.
    function peak(
        mapping(uint256 word => uint256 lanes) storage self,
        uint256 from,
        uint256 to
    ) internal view returns (uint256 used) {
        (used, ) = occupancy(self, from, to);
    }

    /// @notice The most units in use in any epoch of [from, to), and the sum over all of them.
    /// @dev Lane by lane in parallel, then over the sixteen lanes by halves. Sums of pairs of lanes
    /// grow by less than 2^16 a word in 32 bits: exact for 65,536 words, over a million epochs.
    function occupancy(
        mapping(uint256 word => uint256 lanes) storage self,
        uint256 from,
        uint256 to
    ) internal view returns (uint256 most, uint256 sum) {
        if (from >= to) return (0, 0);
        uint256 peaks;
        uint256 sums;
        uint256 last = (to - 1) / LANES;
        for (uint256 word = from / LANES; word <= last; ++word) {
            uint256 lanes = self[word] & maskOf(word, from, to);
            peaks = _higher(peaks, lanes);
            sums += (lanes & EVEN_LANES) + ((lanes >> LANE_BITS) & EVEN_LANES);
        }
        for (uint256 half = 8 * LANE_BITS; half >= LANE_BITS; half /= 2) {
            peaks = _higher(peaks, peaks >> half);
        }
        most = peaks & LANE_MASK;
        // Four sums of at most 2^33 have 64 bits each, so that none reaches the next.
        sums = (sums & EVEN_PAIRS) + ((sums >> (2 * LANE_BITS)) & EVEN_PAIRS);
        sums += sums >> (8 * LANE_BITS);
        sum = (sums + (sums >> (4 * LANE_BITS))) & type(uint64).max;
    }

    /// @dev A number of at most 16 bits in every lane.
    function _inAll(uint256 units) private pure returns (uint256) {
        unchecked {
            return units * ONES;
        }
    }

    /// @dev The higher of two lanes, sixteen times: the top bit survives where `a` is not below `b`,
    /// and becomes a mask of the fifteen bits below it.
    function _higher(uint256 a, uint256 b) private pure returns (uint256) {
        unchecked {
            uint256 kept = ((a | TOP_BITS) - b) & TOP_BITS;
            kept -= kept >> 15;
            return b ^ ((a ^ b) & kept);
        }
    }

    /// @notice Units in use in `epoch`.
    function at(
        mapping(uint256 word => uint256 lanes) storage self,
        uint256 epoch
    ) internal view returns (uint256) {
        return (self[epoch / LANES] >> ((epoch % LANES) * LANE_BITS)) & LANE_MASK;
    }

    /// @notice All ones in those lanes of `word` that lie in [from, to).
    /// @dev Needs from < to and a word that overlaps the range.
    function maskOf(uint256 word, uint256 from, uint256 to) internal pure returns (uint256 mask) {
        uint256 base = word * LANES;
        mask = type(uint256).max;
        if (from > base) mask = mask << ((from - base) * LANE_BITS);
        if (to < base + LANES) mask &= type(uint256).max >> ((base + LANES - to) * LANE_BITS);
    }
}
