// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ICollateralOracle} from "interfaces/ICollateralOracle.sol";

interface IApprovable {
    function approve(address spender, uint256 amount) external returns (bool);
}

/// @title An oracle that says what a test wants, or misbehaves in a named way
contract MockCollateralOracle is ICollateralOracle {
    enum Mood {
        HONEST,
        INVALID,
        REVERTS,
        REENTERS,
        BURNS_GAS
    }

    error Broken();

    uint256 public priceWad;
    Mood public mood;

    constructor(uint256 priceWad_) {
        priceWad = priceWad_;
    }

    function setPrice(uint256 priceWad_) external {
        priceWad = priceWad_;
    }

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    function value(address, uint256 amount) external view returns (uint256 assets, bool valid) {
        if (mood == Mood.INVALID) return (0, false);
        require(mood != Mood.REVERTS, Broken());
        if (mood == Mood.REENTERS) _reenter();
        // solhint-disable-next-line no-empty-blocks
        while (mood == Mood.BURNS_GAS) {}
        return ((amount * priceWad) / 1e18, true);
    }

    /// @dev Under a static call anything that writes fails, and says nothing.
    function _reenter() internal view {
        (bool ok, bytes memory data) = msg.sender.staticcall(
            abi.encodeCall(IApprovable.approve, (address(this), 1))
        );
        require(!ok && data.length == 0, Broken());
    }
}
