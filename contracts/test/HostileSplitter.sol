// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";

/// @title A payee that is a splitter in name only
/// @notice Pays a leg what it is told to, or does its worst. Anyone may make it act as an account.
contract HostileSplitter {
    using SafeTransferLib for address;

    enum Mood {
        PAYS,
        REVERTS,
        BURNS,
        BOMBS,
        REENTERS
    }

    address public immutable STABLECOIN;

    Mood public mood;
    /// @notice What one leg gets at the next call.
    uint256 public due;
    /// @notice What it says it paid.
    uint256 public said;
    /// @notice Whether the last call from within a claim went through, and what it answered.
    bool public entered;
    bytes public answer;

    uint256 internal _id;
    uint256 internal _idSize = 32;
    address internal _target;
    bytes internal _payload;

    error Broken();

    constructor(address stablecoin, uint256 id) {
        STABLECOIN = stablecoin;
        _id = id;
    }

    function setMood(Mood newMood) external {
        mood = newMood;
    }

    /// @notice The capacity that it says it splits for, in so many bytes; none at all is an error.
    function setId(uint256 id, uint256 size) external {
        _id = id;
        _idSize = size;
    }

    function setDue(uint256 newDue, uint256 newSaid) external {
        due = newDue;
        said = newSaid;
    }

    /// @notice What REENTERS calls before it pays.
    function setReentry(address target, bytes calldata payload) external {
        mood = Mood.REENTERS;
        _target = target;
        _payload = payload;
    }

    /// @notice Calls as this account; what fails, fails.
    function act(address target, bytes calldata payload) external {
        (bool success, bytes memory data) = target.call(payload);
        if (!success) {
            assembly {
                revert(add(data, 32), mload(data))
            }
        }
    }

    /// @notice No leg ever ends.
    function legOf(uint256) external view returns (IRevenueSplitter.Leg memory) {
        return IRevenueSplitter.Leg({recipient: msg.sender, bps: 1, isFixed: true});
    }

    function claimLegToken(address, uint256, address to) external returns (uint256 amount) {
        require(mood != Mood.REVERTS, Broken());
        if (mood == Mood.BURNS) {
            assembly {
                invalid()
            }
        }
        if (mood == Mood.REENTERS) (entered, answer) = _target.call(_payload);
        amount = due;
        due = 0;
        if (amount != 0) STABLECOIN.safeTransfer(to, amount);
        if (mood == Mood.BOMBS) {
            assembly {
                return(0, 100000)
            }
        }
        return said;
    }

    function CAPACITY_ID() external view returns (uint256) {
        uint256 size = _idSize;
        require(size != 0, Broken());
        uint256 id = _id;
        assembly {
            mstore(0, id)
            mstore(32, 0)
            return(0, size)
        }
    }
}
