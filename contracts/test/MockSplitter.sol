// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC20} from "solady/tokens/ERC20.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

/// @title Plain shares that stand in for splitter, factory and deed, and can break in named ways
/// @notice Here a transfer of shares takes no dividends along: what matters is what the vault asks.
contract MockSplitter is ERC20 {
    using SafeTransferLib for address;

    enum Mood {
        HONEST,
        INDEX_REVERTS,
        CLAIM_REVERTS,
        CLAIM_PAYS_NOTHING
    }

    error Broken();

    uint256 public constant CAPACITY_ID = 1;

    address public STABLECOIN;
    address public payee;
    address public rentIn;
    bool public isListed = true;
    Mood public mood;
    uint256 public index;
    uint256 public legsBps;
    mapping(address holder => uint256) public due;

    constructor(address stablecoin, address holder, uint256 supply) {
        STABLECOIN = stablecoin;
        payee = address(this);
        rentIn = stablecoin;
        _mint(holder, supply);
    }

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    function setPair(bool listed, address stablecoin, address payee_, address rentIn_) external {
        isListed = listed;
        STABLECOIN = stablecoin;
        payee = payee_;
        rentIn = rentIn_;
    }

    function setLegs(uint256 legsBps_) external {
        legsBps = legsBps_;
    }

    /// @notice Raises the index. What `holder` then may claim is given besides; the money must be
    /// sent here.
    function earn(uint256 amount, address holder, uint256 due_) external {
        index += amount;
        due[holder] += due_;
    }

    function tokenCount() external pure returns (uint256) {
        return 1;
    }

    function dividendIndex() external view returns (uint256) {
        require(mood != Mood.INDEX_REVERTS, Broken());
        return index;
    }

    function claim(address to) external returns (uint256 amount) {
        require(mood != Mood.CLAIM_REVERTS, Broken());
        if (mood == Mood.CLAIM_PAYS_NOTHING) return due[msg.sender];
        amount = due[msg.sender];
        due[msg.sender] = 0;
        STABLECOIN.safeTransfer(to, amount);
    }

    function isSplitter(address token) external view returns (bool) {
        return isListed && token == address(this);
    }

    function payeeOf(uint256) external view returns (address, address) {
        return (payee, rentIn);
    }

    function legs() external view returns (uint256, uint256) {
        return (1, legsBps);
    }

    function name() public pure override returns (string memory) {
        return "Mock Shares";
    }

    function symbol() public pure override returns (string memory) {
        return "MOCK";
    }
}
