// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ECDSA} from "solady/utils/ECDSA.sol";

/// @title A contract that attests, well or badly
/// @notice Answers ERC-1271 for one key, in the manner it was told to. For tests only.
contract MockERC1271 {
    enum Manner {
        HONEST,
        REVERT,
        GARBAGE,
        SHORT,
        EMPTY,
        BURN,
        BOMB,
        WRITE,
        REENTER,
        REVERT_BOMB
    }

    bytes4 internal constant MAGIC = 0x1626ba7e;

    address public immutable KEY;
    Manner public manner;
    uint256 public calls;
    address internal _target;
    bytes internal _payload;

    constructor(address key) {
        KEY = key;
    }

    function setManner(Manner newManner) external {
        manner = newManner;
    }

    /// @notice What REENTER calls before it accepts.
    function setReentry(address target, bytes calldata payload) external {
        _target = target;
        _payload = payload;
    }

    /// @dev Not a view, so that it can try to write where it must not.
    function isValidSignature(bytes32 digest, bytes calldata signature) external returns (bytes4) {
        Manner current = manner;
        // solhint-disable-next-line gas-custom-errors
        require(current != Manner.REVERT, "refused");
        if (current == Manner.GARBAGE) _answer(keccak256("garbage"), 32);
        // The right four bytes, but not the word that the standard wants.
        if (current == Manner.SHORT) _answer(MAGIC, 4);
        if (current == Manner.EMPTY) _answer(0, 0);
        if (current == Manner.BURN) _burn();
        // The right word and a lot behind it: fine, as long as nobody copies it all.
        if (current == Manner.BOMB) _answer(MAGIC, 100_000);
        if (current == Manner.REVERT_BOMB) _revert(100_000);
        if (current == Manner.WRITE) ++calls;
        if (current == Manner.REENTER) _reenter();
        return ECDSA.recoverCalldata(digest, signature) == KEY ? MAGIC : bytes4(0xffffffff);
    }

    /// @dev Limited in gas: a write in a static call takes all it gets.
    function _reenter() internal {
        (bool ok, ) = _target.call{gas: 300_000}(_payload);
        // solhint-disable-next-line gas-custom-errors
        require(!ok, "reentered");
    }

    function _burn() internal pure {
        assembly {
            invalid()
        }
    }

    function _revert(uint256 size) internal pure {
        assembly {
            revert(0, size)
        }
    }

    function _answer(bytes32 word, uint256 size) internal pure {
        assembly {
            mstore(0, word)
            return(0, size)
        }
    }
}
