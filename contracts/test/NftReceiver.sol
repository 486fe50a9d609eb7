// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title A contract that is sent NFTs
/// @notice Answers ERC-721's hook in the manner it was told to, and keeps what it heard. For tests
/// only.
contract NftReceiver {
    enum Manner {
        ACCEPT,
        WRONG_WORD,
        SHORT_WORD,
        SILENT,
        REVERT,
        REVERT_EMPTY,
        PANIC,
        PASS_ON
    }

    error Refused(address token, uint256 id);

    bytes4 internal constant MAGIC = 0x150b7a02;

    Manner public manner;
    /// @notice How often the hook was called and did not revert.
    uint256 public calls;
    address internal _operator;
    address internal _from;
    uint256 internal _id;
    bytes internal _data;
    /// @notice To whom PASS_ON sends the token before it accepts it.
    address public next;

    function setManner(Manner newManner, address newNext) external {
        manner = newManner;
        next = newNext;
    }

    /// @notice Calls anything as this contract, and reverts as that does.
    function run(address target, bytes calldata input) external returns (bytes memory) {
        (bool passed, bytes memory answer) = target.call(input);
        if (!passed) _revert(answer);
        return answer;
    }

    /// @notice What the hook was told last.
    function heard() external view returns (address, address, uint256, bytes memory) {
        return (_operator, _from, _id, _data);
    }

    function onERC721Received(
        address operator,
        address from,
        uint256 id,
        bytes calldata data
    ) external returns (bytes4) {
        Manner current = manner;
        require(current != Manner.REVERT, Refused(msg.sender, id));
        if (current == Manner.REVERT_EMPTY) _revert("");
        assert(current != Manner.PANIC);
        ++calls;
        (_operator, _from, _id, _data) = (operator, from, id, data);
        if (current == Manner.WRONG_WORD) _answer(bytes32(0), 32);
        if (current == Manner.SHORT_WORD) _answer(MAGIC, 4);
        if (current == Manner.SILENT) _answer(bytes32(0), 0);
        if (current == Manner.PASS_ON) {
            (bool passed, bytes memory answer) = msg.sender.call(
                abi.encodeWithSignature(
                    "transferFrom(address,address,uint256)",
                    address(this),
                    next,
                    id
                )
            );
            if (!passed) _revert(answer);
        }
        return MAGIC;
    }

    function _revert(bytes memory answer) internal pure {
        assembly ("memory-safe") {
            revert(add(answer, 0x20), mload(answer))
        }
    }

    function _answer(bytes32 word, uint256 size) internal pure {
        assembly {
            mstore(0, word)
            return(0, size)
        }
    }
}
