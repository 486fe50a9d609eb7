// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {MockERC20} from "./MockERC20.sol";

/// @title A coin that calls back while it moves, as no admitted coin does
/// @notice It can hold leases itself; what it calls, it calls in its own name.
contract ReenteringCoin is MockERC20 {
    address public target;
    bytes public input;
    bool public passed;

    constructor() MockERC20("Reentering Dollar", "RUSD", 6) {}

    /// @notice The next transfer makes this call, once.
    function arm(address target_, bytes calldata input_) external {
        (target, input, passed) = (target_, input_, false);
    }

    /// @notice Makes a call in the coin's name.
    function run(address target_, bytes calldata input_) external {
        (bool ok, bytes memory answer) = target_.call(input_);
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(answer, 0x20), mload(answer))
        }
    }

    function _afterTokenTransfer(address, address, uint256) internal override {
        address armed = target;
        if (armed == address(0)) return;
        target = address(0);
        (passed, ) = armed.call(input);
    }
}
