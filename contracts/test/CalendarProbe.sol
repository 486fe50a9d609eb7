// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Calendar} from "../lease/Calendar.sol";

/// @title Opens the calendar library to tests
contract CalendarProbe {
    using Calendar for mapping(uint256 word => uint256 lanes);

    mapping(uint256 word => uint256 lanes) internal _calendar;

    function reserve(uint256 from, uint256 to, uint256 units, uint256 limit) external {
        _calendar.reserve(from, to, units, limit);
    }

    function release(uint256 from, uint256 to, uint256 units) external {
        _calendar.release(from, to, units);
    }

    function occupancy(uint256 from, uint256 to) external view returns (uint256, uint256) {
        return _calendar.occupancy(from, to);
    }

    function word(uint256 index) external view returns (uint256) {
        return _calendar[index];
    }

    function at(uint256 epoch) external view returns (uint256) {
        return _calendar.at(epoch);
    }

    function peak(uint256 from, uint256 to) external view returns (uint256) {
        return _calendar.peak(from, to);
    }

    function firstUsed(uint256 from, uint256 to) external view returns (uint256) {
        return _calendar.firstUsed(from, to);
    }
}
