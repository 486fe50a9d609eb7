// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";

/// @title Stands in for the deeds and the lease engine where only revenue matters
/// @notice Rent is earned by a call; what is released comes from this contract's own balance.
contract MockRevenueSource {
    using SafeTransferLib for address;

    struct Payee {
        address account;
        address stablecoin;
    }

    mapping(uint256 capacity => Payee) internal _payees;
    /// @dev Two words, as in the lease engine, so that gas figures compare.
    mapping(uint256 capacity => uint256) internal _earned;
    mapping(uint256 capacity => uint256) internal _released;

    error UnknownCapacity(uint256 capacity);

    function setPayee(uint256 capacity, address payee, address stablecoin) external {
        _payees[capacity] = Payee({account: payee, stablecoin: stablecoin});
    }

    /// @notice Owes `amount` more to the payee. The money must be sent here besides.
    function earn(uint256 capacity, uint256 amount) external {
        _earned[capacity] += amount;
    }

    /// @notice Gives base units by plain transfer, one at a time, each found before the next, while
    /// now and then one of the holders is paid.
    /// @return index The splitter's dividend index afterwards.
    /// @return got What each holder has and is still due.
    function drip(
        IRevenueSplitter splitter,
        uint256 times,
        address[] calldata holders
    ) external returns (uint256 index, uint256[] memory got) {
        address stablecoin = splitter.STABLECOIN();
        for (uint256 i; i < times; ++i) {
            stablecoin.safeTransfer(address(splitter), 1);
            splitter.sync(stablecoin);
            if (i % 97 == 0) splitter.claimFor(holders[i % holders.length]);
        }
        index = splitter.dividendIndex();
        got = new uint256[](holders.length);
        for (uint256 i; i < holders.length; ++i) {
            got[i] = stablecoin.balanceOf(holders[i]) + splitter.claimable(holders[i]);
        }
    }

    function release(uint256 capacity) external returns (uint256 amount) {
        Payee memory payee = _payees[capacity];
        amount = _earned[capacity] - _released[capacity];
        if (amount == 0) return 0;
        _released[capacity] += amount;
        payee.stablecoin.safeTransfer(payee.account, amount);
    }

    function netRevenueOf(uint256 capacity) external view returns (uint256) {
        return _earned[capacity];
    }

    function revenueTotals(
        uint256 capacity
    ) external view returns (uint256 earned, uint256 released) {
        return (_earned[capacity], _released[capacity]);
    }

    function payeeOf(uint256 capacity) external view returns (address payee, address stablecoin) {
        Payee memory entry = _payees[capacity];
        require(entry.stablecoin != address(0), UnknownCapacity(capacity));
        return (entry.account, entry.stablecoin);
    }
}
