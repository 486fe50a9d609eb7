// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "solady/tokens/ERC20.sol";

/// @title A stablecoin whose issuer can freeze accounts and pause everything, as real ones can
/// @notice Anyone may mint, freeze and pause: it exists to try what a freeze must not reach.
contract FreezableCoin is ERC20 {
    uint8 internal immutable _DECIMALS;

    mapping(address account => bool) public isFrozen;
    bool public paused;

    error AccountFrozen(address account);
    error TransfersPaused();

    constructor(uint8 decimals_) {
        _DECIMALS = decimals_;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function setFrozen(address account, bool frozen) external {
        isFrozen[account] = frozen;
    }

    function setPaused(bool paused_) external {
        paused = paused_;
    }

    function name() public pure override returns (string memory) {
        return "Freezable Dollar";
    }

    function symbol() public pure override returns (string memory) {
        return "FUSD";
    }

    function decimals() public view override returns (uint8) {
        return _DECIMALS;
    }

    function _beforeTokenTransfer(address from, address to, uint256) internal view override {
        require(!paused, TransfersPaused());
        require(!isFrozen[from], AccountFrozen(from));
        require(!isFrozen[to], AccountFrozen(to));
    }
}
