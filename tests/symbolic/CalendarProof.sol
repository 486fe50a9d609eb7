// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ILeaseTypes} from "interfaces/ILeaseTypes.sol";
import {Calendar} from "../../contracts/lease/Calendar.sol";

/// @title What the calendar does, for all its inputs at once
/// @notice Every function named `check_…` is proved by symbolic execution (`make proof`): there are no
/// arguments with which an assertion in it fails. Where arguments make no sense it returns.
/// @dev What words hold, units and limits are symbols; a lane holds at most 0x7fff, as it does at first,
/// and as the checks of `reserve` and `release` show that it does ever after. Ranges are some of one
/// word and of two (`_range`, `_anyRange`); that the mask of a word is right for any range, `check_mask`
/// shows. Lanes are written out one after the other here, without the calendar's tricks, and nothing
/// branches on what they hold, so that few paths are left to prove.
contract CalendarProof {
    using Calendar for mapping(uint256 word => uint256 lanes);

    uint256 internal constant LANES = 16;
    uint256 internal constant LOG_BITS = 4;
    uint256 internal constant MAX_UNITS = 0x7fff;
    uint256 internal constant WORDS = 2;

    mapping(uint256 word => uint256 lanes) internal _calendar;

    /// @dev Not one of the values that are tried.
    error OtherCase(uint256 value);

    // ------------------------------------------------------------------ what is proved

    /// @notice The mask of any word that a range touches is all ones in the lanes of the range, and
    /// zero in the others. Epochs up to 2^20.
    function check_mask(uint16 word, uint24 from, uint24 to, uint8 lane) external pure {
        uint256 base = word * LANES;
        if (from >= to || base >= to || base + LANES <= from || lane >= LANES) return;
        bool isMeant = from <= base + lane && base + lane < to;
        assert(_lane(Calendar.maskOf(word, from, to), lane) == (isMeant ? 0xffff : 0));
    }

    /// @notice After `reserve` each lane of the range has risen by the units and is not above the limit,
    /// and no other lane has changed.
    function check_reserve(
        uint256[WORDS] calldata words,
        uint8 range,
        uint16 units,
        uint16 tested
    ) external {
        (uint256 from, uint256 to) = _range(range);
        if (units > tested || tested > MAX_UNITS || !_put(words)) return;
        uint256 limit = _limit(units, tested);
        _calendar.reserve(from, to, units, limit);
        uint256 isBroken;
        for (uint256 i; i < WORDS * LANES; ++i) {
            bool isMeant = from <= i && i < to;
            isBroken |= _stands(i) ^ (_laneOf(words, i) + (isMeant ? units : 0));
            if (isMeant) isBroken |= _below(limit, _stands(i));
        }
        assert(isBroken == 0);
    }

    /// @notice `reserve` refuses exactly what does not fit, and says how many units are free.
    function check_refusal(
        uint256[WORDS] calldata words,
        uint8 range,
        uint16 units,
        uint16 tested
    ) external {
        (uint256 from, uint256 to) = _range(range);
        if (units > tested || tested > MAX_UNITS || !_put(words)) return;
        uint256 limit = _limit(units, tested);
        uint256 isTooMuch;
        for (uint256 i = from; i < to; ++i) {
            isTooMuch |= _below(limit, _laneOf(words, i) + units);
        }
        try this.reserve(from, to, units, limit) {
            assert(isTooMuch == 0);
        } catch (bytes memory why) {
            uint256 free = _freeIn(why, units);
            // With `free` more than in the fullest epoch all are used up, if that is not so anyway.
            uint256 isRight;
            uint256 isAbove;
            for (uint256 i = from; i < to; ++i) {
                uint256 wouldStand = _laneOf(words, i) + free;
                isRight |= _equal(wouldStand, limit) | (_isZero(free) & _below(limit, wouldStand));
                isAbove |= _below(limit, wouldStand) & _below(0, free);
            }
            assert(isTooMuch & isRight & ~isAbove == 1);
        }
    }

    /// @notice After `release` each lane of the range has fallen by the units, and no other has changed.
    /// It takes back all that was reserved.
    function check_release(uint256[WORDS] calldata words, uint8 range, uint16 units) external {
        (uint256 from, uint256 to) = _range(range);
        if (units > MAX_UNITS || !_put(words)) return;
        uint256 isTooMuch;
        for (uint256 i = from; i < to; ++i) {
            isTooMuch |= _below(_laneOf(words, i), units);
        }
        if (isTooMuch != 0) return;
        try this.release(from, to, units) {
            uint256 isBroken;
            for (uint256 i; i < WORDS * LANES; ++i) {
                bool isMeant = from <= i && i < to;
                isBroken |= _laneOf(words, i) ^ (_stands(i) + (isMeant ? units : 0));
            }
            assert(isBroken == 0);
        } catch {
            assert(false);
        }
    }

    /// @notice What was reserved and is released again leaves no trace.
    function check_thereAndBack(
        uint256[WORDS] calldata words,
        uint8 range,
        uint16 units,
        uint16 tested
    ) external {
        (uint256 from, uint256 to) = _anyRange(range);
        if (units > tested || tested > MAX_UNITS || !_put(words)) return;
        uint256 limit = _limit(units, tested);
        _calendar.reserve(from, to, units, limit);
        try this.release(from, to, units) {
            uint256 isBroken;
            for (uint256 i; i < WORDS; ++i) {
                isBroken |= _calendar[i] ^ words[i];
            }
            assert(isBroken == 0);
        } catch {
            assert(false);
        }
    }

    /// @notice `at` is the lane.
    function check_at(uint256[WORDS] calldata words, uint8 epoch) external {
        uint256 at = _concrete(epoch, WORDS * LANES);
        if (!_put(words)) return;
        assert(_calendar.at(at) == _laneOf(words, at));
    }

    /// @notice `peak` is no less than any lane of the range, and one of them.
    function check_peak(uint256[WORDS] calldata words, uint8 range) external {
        (uint256 from, uint256 to) = _range(range);
        if (!_put(words)) return;
        uint256 most = _calendar.peak(from, to);
        uint256 isOne;
        uint256 isAbove;
        for (uint256 i = from; i < to; ++i) {
            isOne |= _equal(most, _laneOf(words, i));
            isAbove |= _below(most, _laneOf(words, i));
        }
        assert(isOne & ~isAbove == 1);
    }

    /// @notice The sum of `occupancy` over a range is that over all of it but its last epoch, and that
    /// epoch's lane.
    function check_sum(uint256[WORDS] calldata words, uint8 range) external {
        (uint256 from, uint256 to) = _anyRange(range);
        if (!_put(words)) return;
        (, uint256 sum) = _calendar.occupancy(from, to);
        (, uint256 sumBefore) = _calendar.occupancy(from, to - 1);
        assert(sum == sumBefore + _laneOf(words, to - 1));
    }

    /// @notice `firstUsed` is the first epoch of the range whose lane is not 0, or else its end.
    function check_firstUsed(uint256[WORDS] calldata words, uint8 range) external {
        (uint256 from, uint256 to) = _anyRange(range);
        if (!_put(words)) return;
        uint256 first = _calendar.firstUsed(from, to);
        uint256 isUsed;
        for (uint256 i = from; i < first; ++i) {
            isUsed |= _laneOf(words, i);
        }
        assert(isUsed == 0 && first >= from && first <= to);
        assert(first == to || _laneOf(words, first) != 0);
    }

    function reserve(uint256 from, uint256 to, uint256 units, uint256 limit) external {
        _calendar.reserve(from, to, units, limit);
    }

    function release(uint256 from, uint256 to, uint256 units) external {
        _calendar.release(from, to, units);
    }

    // ------------------------------------------------------------------ words and lanes

    /// @dev Puts the words in place, if no lane holds more than it may.
    function _put(uint256[WORDS] calldata words) internal returns (bool) {
        for (uint256 i; i < WORDS; ++i) {
            if (words[i] & Calendar.TOP_BITS != 0) return false;
            _calendar[i] = words[i];
        }
        return true;
    }

    /// @dev The lane of an epoch as it stands.
    function _stands(uint256 epoch) internal view returns (uint256) {
        return _lane(_calendar[epoch / LANES], epoch % LANES);
    }

    function _laneOf(uint256[WORDS] calldata words, uint256 index) internal pure returns (uint256) {
        return _lane(words[index / LANES], index % LANES);
    }

    function _lane(uint256 word, uint256 index) internal pure returns (uint256) {
        return (word >> (index << LOG_BITS)) & 0xffff;
    }

    /// @dev Any limit from the units to 0x7fff. Written so, with what `reserve` adds to a lane to test it,
    /// as the solver then has no sum to undo.
    function _limit(uint256 units, uint256 tested) internal pure returns (uint256) {
        unchecked {
            return MAX_UNITS + units - tested;
        }
    }

    /// @dev What `NotEnoughUnits(units, free)` says is free; it must be that error.
    function _freeIn(bytes memory why, uint256 units) internal pure returns (uint256 free) {
        assert(why.length == 0x44 && bytes4(why) == ILeaseTypes.NotEnoughUnits.selector);
        uint256 asked;
        assembly ("memory-safe") {
            asked := mload(add(why, 0x24))
            free := mload(add(why, 0x44))
        }
        assert(asked == units);
    }

    // ------------------------------------------------------------------ one path for each value

    /// @dev One of the ranges, of few epochs or of many, so that it is known from here on.
    function _anyRange(uint256 which) internal pure returns (uint256 from, uint256 to) {
        if (which == 4) return (0, 16);
        if (which == 5) return (3, 29);
        if (which == 6) return (0, 32);
        return _range(which);
    }

    /// @dev One of the ranges of few epochs: with sixteen lanes at once, solvers take too long to
    /// show that none exceeds what it may.
    function _range(uint256 which) internal pure returns (uint256 from, uint256 to) {
        if (which == 0) return (0, 1);
        if (which == 1) return (15, 16);
        if (which == 2) return (6, 8);
        if (which == 3) return (15, 17);
        revert OtherCase(which);
    }

    /// @dev The value if it is below 1, 2, …, one path for each, so that it is known from here on.
    function _concrete(uint256 value, uint256 below) internal pure returns (uint256) {
        for (uint256 i; i < below; ++i) {
            if (value == i) return i;
        }
        revert OtherCase(value);
    }

    // ------------------------------------------------------------------ choices without branches

    /// @dev 1 if a < b, else 0.
    function _below(uint256 a, uint256 b) internal pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := lt(a, b)
        }
    }

    /// @dev 1 if a = b, else 0.
    function _equal(uint256 a, uint256 b) internal pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := eq(a, b)
        }
    }

    /// @dev 1 if a = 0, else 0.
    function _isZero(uint256 a) internal pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := iszero(a)
        }
    }
}
