// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {LibBit} from "solady/utils/LibBit.sol";
import {IComputeLease} from "interfaces/IComputeLease.sol";

/// @title Units in use per epoch, sixteen epochs to a storage word
/// @notice Lane `i` (16 bits) of word `w` holds the units leased in epoch `16 w + i`. A range of
/// epochs is checked and changed a whole word at a time.
/// @dev No lane ever exceeds 0x7fff, so its top bit is free: adding `0x7fff − limit` to a lane sets
/// that bit exactly if the lane exceeds `limit`, and can never carry into the next lane.
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

    /// @notice Adds `units` in every epoch of [from, to). Reverts if any would exceed `limit`.
    /// @dev Needs from < to and units ≤ limit ≤ MAX_UNITS; the caller checks.
    function reserve(
        mapping(uint256 word => uint256 lanes) storage self,
        uint256 from,
        uint256 to,
        uint256 units,
        uint256 limit
    ) internal {
        uint256 headroom = (MAX_UNITS - limit) * ONES;
        uint256 added = units * ONES;
        uint256 last = (to - 1) / LANES;
        for (uint256 word = from / LANES; word <= last; ++word) {
            uint256 mask = maskOf(word, from, to);
            uint256 lanes = self[word] + (added & mask);
            // Lanes are at most 0x7fff and units at most the limit: the sum stays below 0xffff.
            if ((lanes + headroom) & TOP_BITS & mask != 0) {
                uint256 used = _peakBefore(self, from, to, word * LANES, units);
                revert IComputeLease.NotEnoughUnits(units, used < limit ? limit - used : 0);
            }
            self[word] = lanes;
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
        used = peak(self, done, to);
        uint256 added = peak(self, from, done);
        if (added - units > used) used = added - units;
    }

    /// @notice The first epoch of [from, to) in which anything is leased; `to` if there is none.
    function firstUsed(
        mapping(uint256 word => uint256 lanes) storage self,
        uint256 from,
        uint256 to
    ) internal view returns (uint256) {
        if (from >= to) return to;
        uint256 last = (to - 1) / LANES;
        for (uint256 word = from / LANES; word <= last; ++word) {
            uint256 lanes = self[word] & maskOf(word, from, to);
            if (lanes != 0) return word * LANES + LibBit.ffs(lanes) / LANE_BITS;
        }
        return to;
    }

    /// @notice The most units in use in any epoch of [from, to). A view's loop over epochs.
    function peak(
        mapping(uint256 word => uint256 lanes) storage self,
        uint256 from,
        uint256 to
    ) internal view returns (uint256 used) {
        for (uint256 epoch = from; epoch < to; ++epoch) {
            uint256 lane = at(self, epoch);
            if (lane > used) used = lane;
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
