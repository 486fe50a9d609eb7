// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {DateTimeLib} from "solady/utils/DateTimeLib.sol";
import {LibString} from "solady/utils/LibString.sol";

/// @title Numbers, dates and foreign names as people read them
library Text {
    using LibString for string;
    using Text for string;
    using LibString for uint256;

    string internal constant MARK = unicode"§";
    uint256 internal constant MARK_BYTES = 2;
    uint256 internal constant DAY = 1 days;
    uint256 internal constant HOUR = 1 hours;
    uint256 internal constant MINUTE = 1 minutes;

    /// @notice The template with its first § replaced. Names that went through `plain` hold none,
    /// so what is filled in first cannot take the place of what comes after.
    function fill(
        string memory template,
        string memory value
    ) internal pure returns (string memory) {
        uint256 at = template.indexOf(MARK);
        return string.concat(template.slice(0, at), value, template.slice(at + MARK_BYTES));
    }

    /// @notice A name that somebody else chose, in printable ASCII: any other character of UTF-8,
    /// and any control character, is a question mark. What is left still has to be escaped.
    function plain(string memory name) internal pure returns (string memory) {
        bytes memory raw = bytes(name);
        bytes memory kept = new bytes(raw.length);
        uint256 length;
        for (uint256 i; i < raw.length; ++i) {
            bytes1 char = raw[i];
            if (char & 0xc0 == 0x80) continue; // goes on with a character that has its mark
            kept[length++] = char < 0x20 || char > 0x7e ? bytes1("?") : char;
        }
        return string(kept).slice(0, length);
    }

    /// @notice A name of fixed size, left-aligned, up to its first zero byte. See `plain`.
    function plain(bytes32 name) internal pure returns (string memory) {
        return plain(LibString.fromSmallString(name));
    }

    /// @notice `value` × 10^-places, exactly, with commas between thousands and at least `least`
    /// places, or all that there are.
    /// @param places At most 18.
    function decimal(
        uint256 value,
        uint256 places,
        uint256 least
    ) internal pure returns (string memory) {
        uint256 unit = 10 ** places;
        string memory whole = grouped(value / unit);
        uint256 rest = value % unit;
        while (places > least && rest % 10 == 0) {
            rest /= 10;
            --places;
        }
        if (places == 0) return whole;
        // The leading 1 keeps the zeros that follow the point.
        return string.concat(whole, ".", (10 ** places + rest).toString().slice(1));
    }

    /// @notice With commas between thousands.
    function grouped(uint256 value) internal pure returns (string memory) {
        bytes memory digits = bytes(value.toString());
        uint256 length = digits.length;
        bytes memory result = new bytes(length + (length - 1) / 3);
        uint256 at = result.length;
        for (uint256 i; i < length; ++i) {
            if (i != 0 && i % 3 == 0) result[--at] = ",";
            result[--at] = digits[length - 1 - i];
        }
        return string(result);
    }

    /// @notice 9750 is 97.50 %.
    function percent(uint256 bps) internal pure returns (string memory) {
        return string.concat(decimal(bps, 2, 2), " %");
    }

    /// @notice Date and time in UTC, to the minute: 2033-05-20 13:00.
    function moment(uint256 timestamp) internal pure returns (string memory) {
        (uint256 year, uint256 month, uint256 day, uint256 hour, uint256 minute, ) = DateTimeLib
            .timestampToDateTime(timestamp);
        return
            string(unicode"§-§-§ §:§")
                .fill(year.toString())
                .fill(_twoDigits(month))
                .fill(_twoDigits(day))
                .fill(_twoDigits(hour))
                .fill(_twoDigits(minute));
    }

    /// @notice From when to when, in UTC.
    function span(uint256 from, uint256 to) internal pure returns (string memory) {
        return string(unicode"§ – § UTC").fill(moment(from)).fill(moment(to));
    }

    /// @notice In the largest unit that it is a whole number of: 1 day, 36 hours.
    function duration(uint256 time) internal pure returns (string memory) {
        if (time % DAY == 0) return count(time / DAY, "day");
        if (time % HOUR == 0) return count(time / HOUR, "hour");
        if (time % MINUTE == 0) return count(time / MINUTE, "minute");
        return count(time, "second");
    }

    /// @notice What an amount is for: per day, per 36 hours.
    function per(uint256 time) internal pure returns (string memory) {
        string memory length = duration(time);
        return string.concat(" per ", length.startsWith("1 ") ? length.slice(2) : length);
    }

    /// @notice 1 unit, 2 units.
    function count(uint256 number, string memory noun) internal pure returns (string memory) {
        return string.concat(grouped(number), " ", noun, number == 1 ? "" : "s");
    }

    /// @notice 3 units × 8 accelerators.
    function size(uint256 units, uint256 each) internal pure returns (string memory) {
        return string.concat(count(units, "unit"), unicode" × ", count(each, "accelerator"));
    }

    /// @notice 60 of 100.
    function outOf(uint256 part, uint256 whole) internal pure returns (string memory) {
        return string.concat(grouped(part), " of ", grouped(whole));
    }

    /// @notice An ISO 3166-1 numeric code, with its zeros.
    function country(uint256 code) internal pure returns (string memory) {
        return (code + 1000).toString().slice(1);
    }

    /// @notice Begin and end of an address: 0x1234…abcd.
    function brief(address account) internal pure returns (string memory) {
        string memory whole = LibString.toHexStringChecksummed(account);
        return string.concat(whole.slice(0, 6), unicode"…", whole.slice(38));
    }

    function _twoDigits(uint256 number) private pure returns (string memory) {
        return (number + 100).toString().slice(1);
    }
}
