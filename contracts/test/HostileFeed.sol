// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title A price feed that misbehaves in a named way
contract HostileFeed {
    enum Mood {
        HONEST,
        REVERTS,
        PANICS,
        BURNS_GAS,
        ANSWERS_SHORT,
        ANSWERS_LONG,
        REVERTS_LONG
    }

    error Broken();

    Mood public mood;
    uint8 public decimals = 8;
    int256 public answer;
    uint256 public updatedAt;

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    function setDecimals(uint8 decimals_) external {
        decimals = decimals_;
    }

    function setRound(int256 answer_, uint256 updatedAt_) external {
        answer = answer_;
        updatedAt = updatedAt_;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        require(mood != Mood.REVERTS, Broken());
        assert(mood != Mood.PANICS);
        // solhint-disable-next-line no-empty-blocks
        while (mood == Mood.BURNS_GAS) {}
        if (mood == Mood.ANSWERS_SHORT) _answer(159);
        if (mood == Mood.ANSWERS_LONG) _answer(100_000);
        if (mood == Mood.REVERTS_LONG) {
            assembly {
                revert(0, 100000)
            }
        }
        return (1, answer, updatedAt, updatedAt, 1);
    }

    /// @dev A right answer, cut off or padded to so many bytes.
    function _answer(uint256 length) internal view {
        int256 answer_ = answer;
        uint256 at = updatedAt;
        assembly {
            mstore(0x00, 1)
            mstore(0x20, answer_)
            mstore(0x40, at)
            mstore(0x60, at)
            mstore(0x80, 1)
            return(0, length)
        }
    }
}
