// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Base64} from "solady/utils/Base64.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibString} from "solady/utils/LibString.sol";
import {Text} from "./Text.sol";

/// @title A token's picture and metadata, from what they say
/// @notice The picture is an SVG card of 300 by 360 with a background of its own, so that it reads
/// in light and in dark pages. All text is escaped here and nowhere else.
library Card {
    using LibString for string;
    using LibString for uint256;
    using Text for string;

    string internal constant GREEN = "#56d68b";
    string internal constant BLUE = "#74b9ff";
    string internal constant AMBER = "#ffc44d";
    string internal constant RED = "#ff8577";
    string internal constant GREY = "#b3c0c8";

    /// @dev Of what can be long: its size at most, and the width that it must keep to.
    uint256 internal constant TITLE_SIZE = 21;
    uint256 internal constant TITLE_WIDTH = 264;
    uint256 internal constant FIGURE_SIZE = 12;
    uint256 internal constant FIGURE_WIDTH = 162;
    /// @dev Letters are seldom wider than this share of their size.
    uint256 internal constant LETTER_PERCENT = 60;

    string internal constant FRAME =
        unicode'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 360" width="300" '
        unicode'height="360" role="img" fill="#f3f7f9" font-size="12" font-family="system-ui,'
        unicode'-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif"><title>§</title>'
        unicode'<rect x="1" y="1" width="298" height="358" rx="16" fill="#10202b" '
        unicode'stroke="#4d6878" stroke-width="2"/>§</svg>';
    string internal constant HEAD =
        unicode'<g font-size="11" fill="#a3b6c1"><text x="18" y="31">§</text>'
        unicode'<text x="282" y="31" text-anchor="end">#§</text></g>'
        unicode'<text id="title" x="18" y="61" font-weight="700" font-size="§">§</text>'
        unicode'<text id="size" x="18" y="84" font-size="14">§</text>'
        unicode'<text id="place" x="18" y="104" fill="#a3b6c1">§</text>';
    /// @dev Filled with the state's colour, or just outlined.
    string internal constant STATE =
        unicode'<rect x="18" y="119" width="§" height="22" rx="11" fill="§"/>'
        unicode'<text id="state" x="§" y="134" font-size="11" font-weight="700" fill="#10202b" '
        unicode'text-anchor="middle">§</text>';
    string internal constant BADGE =
        unicode'<rect x="§" y="119.5" width="§" height="21" rx="10.5" fill="none" '
        unicode'stroke="#f3f7f9"/><text class="badge" x="§" y="134" font-size="11" '
        unicode'font-weight="700" text-anchor="middle">§</text>';
    /// @dev The widths of its parts are basis points of the term: programs can read them too.
    string internal constant BAR =
        unicode'<text id="left" x="18" y="166">§</text>'
        unicode'<text id="right" x="282" y="166" text-anchor="end">§</text>'
        unicode'<g transform="translate(18 174)scale(.0264 12)" fill="§">'
        unicode'<rect width="10000" height="1" fill="#2b4251"/>'
        unicode'<rect id="paid" width="§" height="1" fill-opacity=".45"/>'
        unicode'<rect id="run" width="§" height="1"/></g>'
        unicode'<text id="dates" x="18" y="205" fill="#a3b6c1">§</text>'
        unicode'<path d="M18 218H282" stroke="#35505f"/>';
    string internal constant ROW =
        unicode'<text class="what" x="18" y="§" fill="#a3b6c1">§</text>'
        unicode'<text class="figure" x="282" y="§" font-size="§" font-weight="600" '
        unicode'text-anchor="end">§</text>';

    // ------------------------------------------------------------------ the picture

    /// @notice Which contract's token it is, and the three largest lines.
    function head(
        string memory kind,
        uint256 id,
        string memory title,
        string memory size,
        string memory place
    ) internal pure returns (string memory) {
        return
            HEAD
                .fill(kind)
                .fill(id.toString())
                .fill(_fit(title, TITLE_SIZE, TITLE_WIDTH))
                .fill(title.escapeHTML())
                .fill(size.escapeHTML())
                .fill(place.escapeHTML());
    }

    /// @notice The word for how the token stands, in its colour, and up to two badges beside it.
    function marks(
        string memory state,
        string memory colour,
        string memory badge,
        string memory secondBadge
    ) internal pure returns (string memory) {
        uint256 width = _markWidth(state);
        string memory filled = STATE
            .fill(width.toString())
            .fill(colour)
            .fill((18 + width / 2).toString())
            .fill(state);
        uint256 x = 26 + width;
        uint256 nextX = bytes(badge).length == 0 ? x : x + _markWidth(badge) + 8;
        return string.concat(filled, _badge(x, badge), _badge(nextX, secondBadge));
    }

    /// @notice A term as a bar: all of it, up to where it is paid (paler), and what has run.
    /// @param runBps Share of the term that has run, at most 10,000.
    /// @param paidBps Share of the term that is paid for, at most 10,000.
    /// @param left Said above it on the left, `right` on the right, `dates` below.
    function bar(
        uint256 runBps,
        uint256 paidBps,
        string memory colour,
        string memory left,
        string memory right,
        string memory dates
    ) internal pure returns (string memory) {
        return
            BAR
                .fill(left)
                .fill(right)
                .fill(colour)
                .fill(paidBps.toString())
                .fill(runBps.toString())
                .fill(dates);
    }

    /// @notice A figure and what it is. Rows are counted from 0; there is room for five.
    function row(
        uint256 index,
        string memory what,
        string memory figure
    ) internal pure returns (string memory) {
        string memory y = (241 + index * 24).toString();
        return
            ROW.fill(y).fill(what).fill(y).fill(_fit(figure, FIGURE_SIZE, FIGURE_WIDTH)).fill(
                figure.escapeHTML()
            );
    }

    function _badge(uint256 x, string memory word) private pure returns (string memory) {
        if (bytes(word).length == 0) return "";
        uint256 width = _markWidth(word);
        return
            BADGE.fill(x.toString()).fill(width.toString()).fill((x + width / 2).toString()).fill(
                word
            );
    }

    /// @dev Of capital letters.
    function _markWidth(string memory word) private pure returns (uint256) {
        return 20 + 8 * bytes(word).length;
    }

    /// @dev The size at which a text keeps to its width.
    function _fit(
        string memory text,
        uint256 size,
        uint256 width
    ) private pure returns (string memory) {
        uint256 length = FixedPointMathLib.max(text.runeCount(), 1);
        return FixedPointMathLib.min(size, (width * 100) / (LETTER_PERCENT * length)).toString();
    }

    // ------------------------------------------------------------------ the metadata

    /// @notice A trait in words, with a comma before the next one.
    function trait(string memory name, string memory value) internal pure returns (string memory) {
        return _trait("", name, value.escapeJSON(true));
    }

    /// @notice A trait that is a number below 2^53.
    function trait(string memory name, uint256 value) internal pure returns (string memory) {
        return _trait("", name, value.toString());
    }

    /// @notice A trait that is a moment, in Unix time.
    function date(string memory name, uint256 value) internal pure returns (string memory) {
        return _trait('"display_type":"date",', name, value.toString());
    }

    function _trait(
        string memory display,
        string memory name,
        string memory value
    ) private pure returns (string memory) {
        return string(unicode'{§"trait_type":"§","value":§},').fill(display).fill(name).fill(value);
    }

    /// @notice All of it as a data URI.
    /// @param traits As `trait` and `date` make them, one after the other; at least one.
    /// @param body The card's pieces, one after the other.
    function metadata(
        string memory name,
        string memory description,
        string memory traits,
        string memory body
    ) internal pure returns (string memory) {
        string memory svg = FRAME.fill(name.escapeHTML()).fill(body);
        string memory json = string(
            unicode'{"name":§,"description":§,"attributes":[§],'
            unicode'"image":"data:image/svg+xml;base64,§"}'
        )
            .fill(name.escapeJSON(true))
            .fill(description.escapeJSON(true))
            .fill(traits.slice(0, bytes(traits).length - 1)) // without its last comma
            .fill(Base64.encode(bytes(svg)));
        return string.concat("data:application/json;base64,", Base64.encode(bytes(json)));
    }
}
