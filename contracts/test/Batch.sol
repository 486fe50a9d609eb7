// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {LibCall} from "solady/utils/LibCall.sol";

interface IFlashPool {
    function flash(
        address recipient,
        uint256 amount0,
        uint256 amount1,
        bytes calldata data
    ) external;
}

/// @title Makes any calls in one transaction, as somebody who borrows for a moment would
contract Batch {
    struct Call {
        address target;
        bytes data;
    }

    /// @notice Makes the calls in order; reverts as the first that does.
    function run(Call[] calldata calls) external {
        _run(calls);
    }

    /// @notice Makes the calls with what a Uniswap v3 pool lends meanwhile; they must pay it back.
    function runWithLoan(
        IFlashPool pool,
        uint256 amount0,
        uint256 amount1,
        Call[] calldata calls
    ) external {
        pool.flash(address(this), amount0, amount1, abi.encode(calls));
    }

    function uniswapV3FlashCallback(uint256, uint256, bytes calldata data) external {
        _run(abi.decode(data, (Call[])));
    }

    function _run(Call[] memory calls) internal {
        for (uint256 i; i < calls.length; ++i) {
            LibCall.callContract(calls[i].target, calls[i].data);
        }
    }
}
